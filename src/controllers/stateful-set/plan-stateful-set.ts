import type { StatefulSet } from '../../api/kubernetes/apps-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { revisionHashLabel } from '../daemon-pods.ts';
import { isPodFinished, isPodReady } from '../pod-state.ts';

/** `web-3` of set `web` is 3. */
export function ordinalOf(pod: Pod, set: StatefulSet): number | undefined {
  const prefix = `${set.metadata?.name}-`;
  const { name = '' } = pod.metadata ?? {};
  const rest = name.slice(prefix.length);
  return name.startsWith(prefix) && /^\d+$/.test(rest) ? Number(rest) : undefined;
}

export interface StatefulPlan {
  readonly create: readonly number[];
  readonly remove: readonly Pod[];
}

/**
 * What to do next. In order, one pod at a time: a pod is started when all before it are ready, and the last is stopped first;
 * with `Parallel` all at once. Outdated pods are replaced from the last down to the partition.
 */
export function planStatefulSet(set: StatefulSet, pods: readonly Pod[], hash: string): StatefulPlan {
  const { spec } = set;
  const start = spec?.ordinals?.start ?? 0;
  const end = start + (spec?.replicas ?? 1);
  const parallel = spec?.podManagementPolicy === 'Parallel';
  const byOrdinal = new Map<number, Pod>();
  for (const pod of pods) {
    const ordinal = ordinalOf(pod, set);
    if (ordinal !== undefined) byOrdinal.set(ordinal, pod);
  }
  const create: number[] = [];
  const remove: Pod[] = [];
  for (let ordinal = start; ordinal < end; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) create.push(ordinal);
    else if (isPodFinished(pod) && !pod.metadata?.deletionTimestamp) remove.push(pod);
    const settled = pod && isPodReady(pod) && !pod.metadata?.deletionTimestamp;
    if (!settled && !parallel) return { create, remove };
  }
  const surplus = [...byOrdinal].filter(([ordinal]) => ordinal < start || ordinal >= end).toSorted(([a], [b]) => b - a);
  for (const [, pod] of surplus) {
    if (!pod.metadata?.deletionTimestamp) remove.push(pod);
    if (!parallel) return { create, remove };
  }
  if (create.length + remove.length > 0 || spec?.updateStrategy?.type === 'OnDelete') return { create, remove };
  const last = start + (spec?.updateStrategy?.rollingUpdate?.partition ?? 0);
  for (let ordinal = end - 1; ordinal >= last; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (!pod || pod.metadata?.deletionTimestamp) break;
    if (pod.metadata?.labels?.[revisionHashLabel] !== hash) return { create, remove: [pod] };
    if (!isPodReady(pod)) break; // The one that was replaced must be ready first.
  }
  return { create, remove };
}
