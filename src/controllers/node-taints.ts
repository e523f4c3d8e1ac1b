import type { Node, Pod, Taint } from '../api/kubernetes/core-v1.ts';
import { findCondition } from './conditions.ts';
import { tolerates } from './tolerations.ts';

const prefix = 'node.kubernetes.io/';
const notReady = `${prefix}not-ready`;
const unreachable = `${prefix}unreachable`;

/** Conditions that make a NoSchedule taint while they are True. */
const pressure = {
  MemoryPressure: `${prefix}memory-pressure`,
  DiskPressure: `${prefix}disk-pressure`,
  PIDPressure: `${prefix}pid-pressure`,
  NetworkUnavailable: `${prefix}network-unavailable`,
} as const;

const managed: ReadonlySet<string> = new Set([
  notReady,
  unreachable,
  `${prefix}unschedulable`,
  ...Object.values(pressure),
]);

/** The taints the node should have: those of others, and ours by its conditions. One that stays keeps its `timeAdded`. */
export function effectiveTaints({ spec, status }: Node, now: string): Taint[] {
  const wanted: Taint[] = [];
  const ready = findCondition(status?.conditions, 'Ready')?.status;
  if (ready !== 'True') {
    const key = ready === 'Unknown' ? unreachable : notReady;
    wanted.push({ key, effect: 'NoSchedule' });
    // A node that has never reported has nothing to evict.
    if (ready !== undefined) wanted.push({ key, effect: 'NoExecute' });
  }
  for (const [type, key] of Object.entries(pressure)) {
    if (findCondition(status?.conditions, type)?.status === 'True') wanted.push({ key, effect: 'NoSchedule' });
  }
  if (spec?.unschedulable) wanted.push({ key: `${prefix}unschedulable`, effect: 'NoSchedule' });
  const present = spec?.taints ?? [];
  const others = present.filter(({ key }) => !managed.has(key));
  const ours = wanted.map((taint) => present.find((old) => isSame(old, taint)) ?? { ...taint, timeAdded: now });
  return [...others, ...ours];
}

export function sameTaints(a: readonly Taint[], b: readonly Taint[] | undefined): boolean {
  return a.length === (b?.length ?? 0) && a.every((taint) => b?.some((other) => isSame(taint, other)));
}

/**
 * How long until the pod must leave: 0 when at once, undefined when it may stay for good. The shortest of the tolerations that
 * are needed counts, from the time the taint was added.
 */
export function evictionDelayMs({ spec }: Pod, taints: readonly Taint[], nowMs: number): number | undefined {
  let soonest: number | undefined;
  for (const taint of taints) {
    const matching = (spec?.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return 0;
    const limits = matching
      .map(({ tolerationSeconds }) => tolerationSeconds)
      .filter((seconds) => seconds !== undefined);
    if (limits.length === 0) continue;
    const addedMs = Date.parse(taint.timeAdded ?? '') || nowMs;
    const leftMs = Math.max(0, addedMs + Math.max(0, Math.min(...limits)) * 1000 - nowMs);
    soonest = Math.min(soonest ?? leftMs, leftMs);
  }
  return soonest;
}

function isSame(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect && (a.value ?? '') === (b.value ?? '');
}
