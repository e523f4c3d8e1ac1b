import { formatApiVersion } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { ServedGroup } from './remote-groups.ts';

/** `/api`. */
export function apiVersions(serverAddress: string): object {
  return {
    kind: 'APIVersions',
    apiVersion: 'v1',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

/** `/apis`. */
export function apiGroupList(groups: readonly ServedGroup[]): object {
  const named = groups.filter(({ name }) => name !== '').map(groupBody);
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: named };
}

/** `/apis/{group}`. */
export function apiGroup(group: ServedGroup): object {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupBody(group) };
}

function groupBody({ name, versions }: ServedGroup): { name: string; versions: object[]; preferredVersion?: object } {
  const all = versions.map(({ version }) => ({ groupVersion: formatApiVersion(name, version), version }));
  return { name, versions: all, ...(all[0] && { preferredVersion: all[0] }) };
}

/** `/api/v1`, `/apis/{group}/{version}`. */
export function apiResourceList(group: string, version: string, resources: readonly ResourceInfo[]): object {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: formatApiVersion(group, version),
    resources: resources.flatMap((resource) => [resourceBody(resource), ...subresourceBodies(resource)]),
  };
}

function resourceBody(resource: ResourceInfo): object {
  const { shortNames, categories, storageVersionHash } = resource;
  return {
    name: resource.resource,
    singularName: resource.singular,
    namespaced: resource.namespaced,
    kind: resource.kind,
    verbs: resource.verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(storageVersionHash !== undefined && { storageVersionHash }),
  };
}

function subresourceBodies({ resource, namespaced, group, version, subresources }: ResourceInfo): object[] {
  return [...subresources.values()].map(({ name, kind, verbs }) => ({
    name: `${resource}/${name}`,
    singularName: '',
    namespaced,
    ...((kind.group !== group || kind.version !== version) && { group: kind.group, version: kind.version }),
    kind: kind.kind,
    verbs,
  }));
}
