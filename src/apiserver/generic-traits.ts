import type { Strategy } from './strategy.ts';

/** `metadata.generation` counts changes of `spec`. */
const specGeneration: ReadonlySet<string> = new Set([
  'deployments.apps',
  'replicasets.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'replicationcontrollers',
  'podtemplates',
  'jobs.batch',
  'cronjobs.batch',
  'pods',
  'poddisruptionbudgets.policy',
  'ingresses.networking.k8s.io',
  'ingressclasses.networking.k8s.io',
  'networkpolicies.networking.k8s.io',
  'flowschemas.flowcontrol.apiserver.k8s.io',
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io',
]);

/** `metadata.generation` counts changes of anything but metadata and status. */
const objectGeneration: ReadonlySet<string> = new Set([
  'priorityclasses.scheduling.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingadmissionpolicies.admissionregistration.k8s.io',
  'validatingadmissionpolicybindings.admissionregistration.k8s.io',
  'mutatingadmissionpolicies.admissionregistration.k8s.io',
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
  'customresourcedefinitions.apiextensions.k8s.io',
  'endpointslices.discovery.k8s.io',
]);

const createOnUpdate: ReadonlySet<string> = new Set([
  'endpoints',
  'services',
  'events',
  'limitranges',
  'leases.coordination.k8s.io',
  'leasecandidates.coordination.k8s.io',
  'roles.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
  'runtimeclasses.node.k8s.io',
]);

const conditionalUpdate: ReadonlySet<string> = new Set([
  'leases.coordination.k8s.io',
  'leasecandidates.coordination.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
  'validatingadmissionpolicies.admissionregistration.k8s.io',
  'validatingadmissionpolicybindings.admissionregistration.k8s.io',
  'mutatingadmissionpolicies.admissionregistration.k8s.io',
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io',
  'poddisruptionbudgets.policy',
  'runtimeclasses.node.k8s.io',
  'csidrivers.storage.k8s.io',
  'csinodes.storage.k8s.io',
  'volumeattachments.storage.k8s.io',
  'csistoragecapacities.storage.k8s.io',
  'storageversions.internal.apiserver.k8s.io',
]);

/** Whole groups too: storage.k8s.io and resource.k8s.io. */
const returnsDeleted: ReadonlySet<string> = new Set([
  'pods',
  'services',
  'namespaces',
  'serviceaccounts',
  'persistentvolumes',
  'persistentvolumeclaims',
  'podtemplates',
  'resourcequotas',
]);

/** RBAC names are any path segment, so that they can hold colons. */
const segmentNames: ReadonlySet<string> = new Set([
  'roles.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'rolebindings.rbac.authorization.k8s.io',
  'clusterrolebindings.rbac.authorization.k8s.io',
]);

/** What upstream's strategies say about a resource besides code. `key` is `deployments.apps`. */
export function genericTraits(key: string): Strategy {
  const generation = specGeneration.has(key) ? 'spec' : objectGeneration.has(key) ? 'object' : 'none';
  return {
    generation,
    allowCreateOnUpdate: createOnUpdate.has(key),
    allowUnconditionalUpdate: !conditionalUpdate.has(key),
    returnsDeletedObject: returnsDeleted.has(key) || /\.(storage|resource)\.k8s\.io$/.test(key),
    nameRule: segmentNames.has(key)
      ? 'pathSegment'
      : key === 'services'
        ? 'dns1035Label'
        : key === 'namespaces'
          ? 'dns1123Label'
          : 'dns1123Subdomain',
    ignoresPropagation: key === 'events',
  };
}
