import type { ReplicaSetStatus } from '../api/kubernetes/apps-v1.ts';
import type { Pod, PodTemplateSpec } from '../api/kubernetes/core-v1.ts';
import type { Selector } from '../api/selectors.ts';
import { availableInMs, isPodActive, isPodReady } from './pod-state.ts';

/** Which pods to delete first when there are too many: the lower the tuple, the sooner. Order as upstream's `ActivePodsWithRanks`. */
function deletionRank(pod: Pod): readonly (number | string)[] {
  const { metadata, spec, status } = pod;
  const restarts = Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount));
  return [
    spec?.nodeName ? 1 : 0,
    { Pending: 0, Unknown: 1, Running: 2 }[status?.phase ?? 'Unknown'] ?? 1,
    isPodReady(pod) ? 1 : 0,
    Number(metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0,
    -restarts,
    -Date.parse(metadata?.creationTimestamp ?? '') || 0, // the newest first
  ];
}

export function byDeletionOrder(a: Pod, b: Pod): number {
  const left = deletionRank(a);
  const right = deletionRank(b);
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

/** How many to create (positive) or which to delete, so that `replicas` active pods remain. */
export function planReplicas(pods: readonly Pod[], replicas: number): { create: number; remove: Pod[] } {
  const active = pods.filter(isPodActive);
  const missing = replicas - active.length;
  if (missing >= 0) return { create: missing, remove: [] };
  return { create: 0, remove: active.toSorted(byDeletionOrder).slice(0, -missing) };
}

export interface CountOptions {
  readonly selector: Selector;
  readonly template: PodTemplateSpec | undefined;
  readonly minReadySeconds: number;
  readonly nowMs: number;
}

/** The numbers of a ReplicaSet's status, and when one of its ready pods becomes available next. */
export function countPods(
  pods: readonly Pod[],
  { selector, template, minReadySeconds, nowMs }: CountOptions,
): Required<
  Pick<
    ReplicaSetStatus,
    'replicas' | 'fullyLabeledReplicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas'
  >
> & { nextMs: number | undefined } {
  const wantedLabels = Object.entries(template?.metadata?.labels ?? {});
  const counts = {
    replicas: 0,
    fullyLabeledReplicas: 0,
    readyReplicas: 0,
    availableReplicas: 0,
    terminatingReplicas: 0,
  };
  let nextMs: number | undefined;
  for (const pod of pods) {
    if (pod.metadata?.deletionTimestamp) counts.terminatingReplicas++;
    if (!isPodActive(pod) || !selector.matches(pod.metadata?.labels)) continue;
    counts.replicas++;
    if (wantedLabels.every(([key, value]) => pod.metadata?.labels?.[key] === value)) counts.fullyLabeledReplicas++;
    const dueMs = availableInMs(pod, minReadySeconds, nowMs);
    if (dueMs === undefined) continue;
    counts.readyReplicas++;
    if (dueMs === 0) counts.availableReplicas++;
    else nextMs = Math.min(nextMs ?? dueMs, dueMs);
  }
  return { ...counts, nextMs };
}
