/**
 * Where upstream 1.36 keeps each built-in resource in etcd, and in which version.
 * Source: `pkg/kubeapiserver/default_storage_factory_builder.go`; the versions are those that discovery's `storageVersionHash` names.
 */
const prefixes: Readonly<Record<string, string>> = {
  nodes: 'minions',
  services: 'services/specs',
  endpoints: 'services/endpoints',
  replicationcontrollers: 'controllers',
  ingresses: 'ingress',
};

/** Groups whose resources lie below their group's name, as custom resources do. */
const groupPrefixed = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io']);

/** Resources that are not stored in the newest served version. */
const versions: Readonly<Record<string, string>> = {
  'mutatingadmissionpolicies.admissionregistration.k8s.io': 'v1beta1',
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io': 'v1beta1',
  'devicetaintrules.resource.k8s.io': 'v1alpha3',
};

/** Resources that are stored as a resource of another group: both are views of the same objects. */
const cohabitants: Readonly<Record<string, { group: string; resource: string }>> = {
  'events.events.k8s.io': { group: '', resource: 'events' },
};

/** `/registry/pods/`: the key of everything of this resource begins with it. */
export function storagePrefix(group: string, resource: string): string {
  const path = groupPrefixed.has(group) ? `${group}/${resource}` : (prefixes[resource] ?? resource);
  return `/registry/${path}/`;
}

/** The version that objects of this resource are stored in, out of the served ones, best first. */
export function storageVersion(group: string, resource: string, served: readonly string[]): string {
  return versions[`${resource}.${group}`] ?? served[0] ?? 'v1';
}

/** The group and resource whose type is what the store holds. */
export function storedAs(group: string, resource: string): { group: string; resource: string } {
  return cohabitants[`${resource}.${group}`] ?? { group, resource };
}
