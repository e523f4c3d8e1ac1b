import type { GroupVersionKind } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { ServedGroup } from './remote-groups.ts';
import { remoteResources } from './remote-resources.ts';

/** An `APIGroupDiscoveryList`: everything about these groups in one answer. */
export function groupDiscoveryList(groups: readonly ServedGroup[], version: 'v2' | 'v2beta1'): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map((served) => ({
        version: served.version,
        resources:
          served.kind === 'local'
            ? served.resources.map(resourceDiscovery)
            : remoteResources(served.resources, { group: name, version: served.version }),
        freshness: served.kind === 'local' || served.current ? 'Current' : 'Stale',
      })),
    })),
  };
}

function resourceDiscovery(resource: ResourceInfo): object {
  const { shortNames, categories, subresources } = resource;
  return {
    resource: resource.resource,
    responseKind: responseKind(resource, resource),
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.size > 0 && {
      subresources: [...subresources.values()].map(({ name, kind, verbs }) => ({
        subresource: name,
        responseKind: responseKind(kind, resource),
        verbs,
      })),
    }),
  };
}

/** Group and version are left empty where they are those of the resource. */
function responseKind({ group, version, kind }: GroupVersionKind, around: GroupVersionKind): GroupVersionKind {
  const same = group === around.group && version === around.version;
  return same ? { group: '', version: '', kind } : { group, version, kind };
}
