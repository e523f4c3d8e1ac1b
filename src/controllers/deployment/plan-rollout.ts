import type { Deployment, ReplicaSet } from '../../api/kubernetes/apps-v1.ts';
import { rolloutLimits } from './int-or-percent.ts';

const replicasOf = ({ spec }: ReplicaSet) => spec?.replicas ?? 0;
const sum = (sets: readonly ReplicaSet[], value: (set: ReplicaSet) => number) =>
  sets.reduce((total, set) => total + value(set), 0);
const byCreation = (a: ReplicaSet, b: ReplicaSet) =>
  Date.parse(a.metadata?.creationTimestamp ?? '') - Date.parse(b.metadata?.creationTimestamp ?? '') || 0;

/** The number of replicas each ReplicaSet should have now, by uid; absent ones stay as they are. */
export type ScalePlan = ReadonlyMap<string, number>;

export interface RolloutSets {
  readonly newSet: ReplicaSet;
  readonly oldSets: readonly ReplicaSet[];
}

/**
 * One step of a rolling update: the new set grows as far as `maxSurge` allows, old ones shrink as far as `maxUnavailable` allows,
 * first by pods that are not available anyway.
 */
export function planRollingUpdate({ spec }: Deployment, { newSet, oldSets }: RolloutSets): ScalePlan {
  const wanted = spec?.replicas ?? 1;
  const { maxSurge, maxUnavailable } = rolloutLimits(spec?.strategy?.rollingUpdate ?? {}, wanted);
  const plan = new Map<string, number>();
  const all = [newSet, ...oldSets];
  const total = sum(all, replicasOf);
  if (replicasOf(newSet) > wanted) plan.set(uidOf(newSet), wanted);
  else if (replicasOf(newSet) < wanted) {
    const room = Math.max(0, wanted + maxSurge - total);
    const grow = Math.min(room, wanted - replicasOf(newSet));
    if (grow > 0) {
      plan.set(uidOf(newSet), replicasOf(newSet) + grow);
      return plan; // As upstream: old sets shrink in a later step, when the new pods are on their way.
    }
  }
  const newUnavailable = replicasOf(newSet) - (newSet.status?.availableReplicas ?? 0);
  let mayGo = total - (wanted - maxUnavailable) - Math.max(0, newUnavailable);
  const active = oldSets.filter((set) => replicasOf(set) > 0).toSorted(byCreation);
  const left = new Map(active.map((set) => [uidOf(set), replicasOf(set)]));
  for (const set of active) {
    if (mayGo <= 0) break;
    const unhealthy = Math.max(0, replicasOf(set) - (set.status?.availableReplicas ?? 0));
    const gone = Math.min(mayGo, unhealthy);
    left.set(uidOf(set), replicasOf(set) - gone);
    mayGo -= gone;
  }
  let available = sum(all, ({ status }) => status?.availableReplicas ?? 0) - (wanted - maxUnavailable);
  for (const set of active) {
    if (available <= 0) break;
    const remaining = left.get(uidOf(set)) ?? 0;
    const gone = Math.min(available, remaining);
    left.set(uidOf(set), remaining - gone);
    available -= gone;
  }
  for (const set of active) {
    const next = left.get(uidOf(set)) ?? 0;
    if (next !== replicasOf(set)) plan.set(uidOf(set), next);
  }
  return plan;
}

/** Recreate: the new set gets pods only when the old ones' pods are all gone. */
export function planRecreate(
  { spec }: Deployment,
  {
    newSet,
    oldSets,
    oldPodsRunning,
  }: { newSet: ReplicaSet | undefined; oldSets: readonly ReplicaSet[]; oldPodsRunning: boolean },
): ScalePlan {
  const plan = new Map<string, number>();
  for (const set of oldSets) if (replicasOf(set) > 0) plan.set(uidOf(set), 0);
  const wanted = spec?.replicas ?? 1;
  if (plan.size === 0 && !oldPodsRunning && newSet && replicasOf(newSet) !== wanted) plan.set(uidOf(newSet), wanted);
  return plan;
}

/** The deployment was scaled in mid-rollout, or is paused: all sets with pods change in proportion, the largest takes the remainder. */
export function planProportional({ spec }: Deployment, sets: readonly ReplicaSet[]): ScalePlan {
  const plan = new Map<string, number>();
  const wanted = spec?.replicas ?? 1;
  const active = sets
    .filter((set) => replicasOf(set) > 0)
    .toSorted((a, b) => replicasOf(b) - replicasOf(a) || byCreation(b, a));
  if (active.length === 0) return plan;
  const isRolling = spec?.strategy?.type !== 'Recreate';
  const surge = isRolling && wanted > 0 ? rolloutLimits(spec?.strategy?.rollingUpdate ?? {}, wanted).maxSurge : 0;
  const allowed = wanted === 0 ? 0 : wanted + (active.length > 1 ? surge : 0);
  const total = sum(active, replicasOf);
  let toAdd = allowed - total;
  for (const set of active) {
    if (toAdd === 0) break;
    const before = Number(set.metadata?.annotations?.[maxReplicasAnnotation]) || total;
    const share = Math.round((replicasOf(set) * allowed) / before) - replicasOf(set);
    const part = toAdd > 0 ? Math.max(0, Math.min(share, toAdd)) : Math.min(0, Math.max(share, toAdd));
    plan.set(uidOf(set), Math.max(0, replicasOf(set) + part));
    toAdd -= part;
  }
  const [largest] = active;
  if (toAdd !== 0 && largest)
    plan.set(uidOf(largest), Math.max(0, (plan.get(uidOf(largest)) ?? replicasOf(largest)) + toAdd));
  for (const set of active) if (plan.get(uidOf(set)) === replicasOf(set)) plan.delete(uidOf(set));
  return plan;
}

export const desiredReplicasAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxReplicasAnnotation = 'deployment.kubernetes.io/max-replicas';

/** Whether the deployment's size changed since its sets were last sized. */
export function isScaling({ spec }: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const noted = set.metadata?.annotations?.[desiredReplicasAnnotation];
    return replicasOf(set) > 0 && noted !== undefined && Number(noted) !== (spec?.replicas ?? 1);
  });
}

function uidOf({ metadata }: ReplicaSet): string {
  return metadata?.uid ?? '';
}
