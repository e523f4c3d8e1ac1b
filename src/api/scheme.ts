import { type DiscoveredResource, findModel, type Model, types } from './model.ts';
import { formatApiVersion, type GroupVersionKind, parseApiVersion } from './object.ts';
import type { ResourceInfo, SubresourceInfo } from './resource-info.ts';
import { storagePrefix, storageVersion, storedAs } from './storage-layout.ts';
import { compareVersions } from './version-order.ts';

export interface GroupInfo {
  /** `''` for core. */
  readonly name: string;
  /** Preferred version first. */
  readonly versions: readonly { readonly version: string; readonly resources: readonly ResourceInfo[] }[];
}

/** Every built-in resource in every served version. */
export interface Scheme {
  readonly resources: readonly ResourceInfo[];
  /** In discovery's order: core first, then by upstream's group priority. */
  readonly groups: readonly GroupInfo[];
  find(group: string, version: string, resource: string): ResourceInfo | undefined;
  /** The resource whose objects are of this kind. */
  forKind(gvk: GroupVersionKind): ResourceInfo | undefined;
  /** The resource in the version it is stored in; for `events.k8s.io` events, core events. @throws Error for an unknown resource */
  storage(group: string, resource: string): ResourceInfo;
  /** @throws Error for a name that `types.json` does not know */
  model(name: string): Model;
  /** The name of the model of a kind, also of kinds that are no resource (`PodList`, `DeleteOptions`, `Scale`). */
  modelFor(gvk: GroupVersionKind): string | undefined;
}

/** Upstream's `groupPriorityMinimum`, highest first. Source: `pkg/controlplane/apiserver/apiservices.go`. */
const groupOrder = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'internal.apiserver.k8s.io',
  'resource.k8s.io',
  'storagemigration.k8s.io',
];

export const scheme: Scheme = buildScheme();

function buildScheme(): Scheme {
  const modelNames = indexKinds();
  const served = groupByVersion(types.resources);
  const groups: GroupInfo[] = groupOrder
    .filter((name) => served.has(name))
    .map((name) => {
      const byVersion = served.get(name) ?? new Map<string, DiscoveredResource[]>();
      const versions = [...byVersion.keys()].sort(compareVersions);
      return {
        name,
        versions: versions.map((version) => ({
          version,
          resources: buildResources({ group: name, version }, byVersion, versions, modelNames),
        })),
      };
    });
  const resources = groups.flatMap(({ versions }) => versions.flatMap((v) => v.resources));
  const byName = new Map(resources.map((info) => [`${info.group}/${info.version}/${info.resource}`, info]));
  const byStorage = new Map(
    resources
      .filter((info) => info.version === info.storageVersion)
      .map((info) => [`${info.group}/${info.resource}`, info]),
  );
  const byKind = new Map(resources.map((info) => [`${info.group}/${info.version}/${info.kind}`, info]));

  return {
    resources,
    groups,
    find: (group, version, resource) => byName.get(`${group}/${version}/${resource}`),
    forKind: ({ group, version, kind }) => byKind.get(`${group}/${version}/${kind}`),
    storage(group, resource) {
      const stored = storedAs(group, resource);
      const info = byStorage.get(`${stored.group}/${stored.resource}`);
      if (info === undefined) throw new Error(`Unknown resource ${resource} in group "${group}"`);
      return info;
    },
    model(name) {
      const model = findModel(name);
      if (model === undefined) throw new Error(`Unknown model ${name}`);
      return model;
    },
    modelFor: ({ group, version, kind }) =>
      modelNames.get(`${group}/${version}/${kind}`) ??
      (metaKinds.has(kind) ? modelNames.get(`/v1/${kind}`) : undefined),
  };
}

/** Kinds of `meta/v1` that every group-version knows: typed clients stamp DeleteOptions with any of them. */
const metaKinds: ReadonlySet<string> = new Set(['DeleteOptions', 'WatchEvent', 'Status']);

function indexKinds(): Map<string, string> {
  const index = new Map<string, string>();
  for (const [name, model] of Object.entries(types.models)) {
    for (const [group, version, kind] of model.gvk ?? []) index.set(`${group}/${version}/${kind}`, name);
  }
  return index;
}

function groupByVersion(discovered: readonly DiscoveredResource[]): Map<string, Map<string, DiscoveredResource[]>> {
  const groups = new Map<string, Map<string, DiscoveredResource[]>>();
  for (const resource of discovered) {
    const { group, version } = parseApiVersion(resource.groupVersion) ?? { group: '', version: 'v1' };
    const versions = groups.get(group) ?? new Map<string, DiscoveredResource[]>();
    groups.set(group, versions);
    const list = versions.get(version) ?? [];
    versions.set(version, list);
    list.push(resource);
  }
  return groups;
}

function buildResources(
  { group, version }: { group: string; version: string },
  byVersion: ReadonlyMap<string, readonly DiscoveredResource[]>,
  versions: readonly string[],
  modelNames: ReadonlyMap<string, string>,
): ResourceInfo[] {
  const discovered = byVersion.get(version) ?? [];
  const subresources = new Map<string, Map<string, SubresourceInfo>>();
  for (const entry of discovered) {
    const [parent = '', name] = entry.name.split('/');
    if (name === undefined) continue;
    const siblings = subresources.get(parent) ?? new Map<string, SubresourceInfo>();
    subresources.set(parent, siblings);
    const kind = { group: entry.group ?? group, version: entry.version ?? version, kind: entry.kind };
    siblings.set(name, { name, kind, verbs: entry.verbs });
  }
  return discovered
    .filter((entry) => !entry.name.includes('/'))
    .map((entry): ResourceInfo => {
      const servedIn = versions.filter((v) => byVersion.get(v)?.some(({ name }) => name === entry.name));
      const model = modelNames.get(`${group}/${version}/${entry.kind}`);
      if (model === undefined) throw new Error(`No model for ${formatApiVersion(group, version)} ${entry.kind}`);
      return {
        group,
        version,
        kind: entry.kind,
        resource: entry.name,
        singular: entry.singularName ?? entry.kind.toLowerCase(),
        listKind: `${entry.kind}List`,
        namespaced: entry.namespaced,
        shortNames: entry.shortNames ?? [],
        categories: entry.categories ?? [],
        verbs: entry.verbs,
        storageVersionHash: entry.storageVersionHash,
        model,
        subresources: subresources.get(entry.name) ?? new Map(),
        storageVersion: storageVersion(group, entry.name, servedIn),
        storagePrefix: storagePrefix(group, entry.name),
      };
    });
}
