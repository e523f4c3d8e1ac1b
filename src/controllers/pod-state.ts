import type { Pod, PodTemplateSpec } from '../api/kubernetes/core-v1.ts';
import type { OwnerReference } from '../api/kubernetes/meta-v1.ts';
import { findCondition } from './conditions.ts';

/** Succeeded or Failed: it will never run again. */
export function isPodFinished({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** Counts toward the replicas that are wanted: not finished and not being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodFinished(pod) && !pod.metadata?.deletionTimestamp;
}

export function isPodReady({ status }: Pod): boolean {
  return findCondition(status?.conditions, 'Ready')?.status === 'True';
}

/** How long until the pod has been ready for `minReadySeconds`: 0 when it is available now, undefined when it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const ready = findCondition(pod.status?.conditions, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  return Math.max(0, Date.parse(ready.lastTransitionTime ?? '') + minReadySeconds * 1000 - nowMs) || 0;
}

/** A pod as its template asks for it. */
export function podFromTemplate(
  template: PodTemplateSpec,
  {
    namespace,
    name,
    generateName,
    owner,
  }: { namespace: string; name?: string; generateName?: string; owner: OwnerReference },
): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      ...(name !== undefined && { name }),
      ...(generateName !== undefined && { generateName }),
      ...(labels && { labels: { ...labels } }),
      ...(annotations && { annotations: { ...annotations } }),
      ...(finalizers && { finalizers: [...finalizers] }),
      ownerReferences: [owner],
    },
    ...(template.spec && { spec: { ...template.spec } }),
  };
}
