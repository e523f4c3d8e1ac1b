/** `apiservices` as an `ObjectSource` names them. */
export const apiServicesResource = 'apiservices.apiregistration.k8s.io';

/** The name that the APIService of a group-version must have: `v1.apps`, `v1.` for core. */
export function apiServiceName(group: string, version: string): string {
  return `${version}.${group}`;
}
