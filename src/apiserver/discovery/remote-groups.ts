import type { JsonObject } from '../../api/object.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { GroupInfo } from '../../api/scheme.ts';

/** A version of a group that an extension API server serves. */
export interface RemoteVersion {
  readonly version: string;
  readonly priority: number;
  /** As its `APIResourceList` has them. */
  readonly resources: readonly JsonObject[];
  /** Whether the server answers now: otherwise this is what it said last. */
  readonly current: boolean;
}

export interface RemoteGroup {
  readonly name: string;
  readonly priority: number;
  /** Preferred version first. */
  readonly versions: readonly RemoteVersion[];
}

/** What others serve, for discovery. */
export interface RemoteGroups {
  /** Changes when the groups do. */
  readonly generation: number;
  groups(): readonly RemoteGroup[];
}

export const noRemoteGroups: RemoteGroups = { generation: 0, groups: () => [] };

export type ServedVersion =
  | { readonly kind: 'local'; readonly version: string; readonly resources: readonly ResourceInfo[] }
  | ({ readonly kind: 'remote' } & RemoteVersion);

/** A group with all its versions, whoever serves them. */
export interface ServedGroup {
  readonly name: string;
  readonly versions: readonly ServedVersion[];
}

export interface Priorities {
  readonly group: (name: string) => number;
  readonly version: (group: string, version: string) => number;
}

/** All groups in discovery's order: by priority, local ones among themselves as the scheme has them. */
export function mergeGroups(
  local: readonly GroupInfo[],
  remote: readonly RemoteGroup[],
  priorities: Priorities,
): ServedGroup[] {
  const remaining = new Map(remote.map((group) => [group.name, group]));
  const merged: { group: ServedGroup; priority: number }[] = local.map(({ name, versions }) => {
    const also = remaining.get(name);
    remaining.delete(name);
    const own = versions.map(({ version, resources }): ServedVersion => ({ kind: 'local', version, resources }));
    const priority = Math.max(priorities.group(name), also?.priority ?? 0);
    return { group: { name, versions: mergeVersions(name, own, also?.versions ?? [], priorities) }, priority };
  });
  for (const { name, priority, versions } of remaining.values()) {
    const group = { name, versions: versions.map((version): ServedVersion => ({ kind: 'remote', ...version })) };
    const at = merged.findIndex((other) => other.priority < priority);
    merged.splice(at < 0 ? merged.length : at, 0, { group, priority });
  }
  return merged.map(({ group }) => group);
}

function mergeVersions(
  group: string,
  own: readonly ServedVersion[],
  others: readonly RemoteVersion[],
  priorities: Priorities,
): ServedVersion[] {
  if (others.length === 0) return [...own];
  const replaced = new Set(others.map(({ version }) => version));
  const all = [
    ...own.filter(({ version }) => !replaced.has(version)),
    ...others.map((version): ServedVersion => ({ kind: 'remote', ...version })),
  ];
  const priority = (served: ServedVersion) =>
    served.kind === 'remote' ? served.priority : priorities.version(group, served.version);
  return all.toSorted((a, b) => priority(b) - priority(a));
}
