import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../api/kubernetes/apps-v1.ts';
import { formatTime } from '../../lib/clock.ts';
import { findCondition, withCondition, withoutCondition } from '../conditions.ts';
import { rolloutLimits } from './int-or-percent.ts';

export interface StatusInput {
  readonly deployment: Deployment;
  readonly newSet: ReplicaSet | undefined;
  readonly sets: readonly ReplicaSet[];
  readonly nowMs: number;
}

/** The status as its sets make it, and when the progress deadline is due. */
export function deploymentStatus(input: StatusInput): { status: DeploymentStatus; deadlineInMs: number | undefined } {
  const { deployment, newSet, sets, nowMs } = input;
  const { spec, status: old } = deployment;
  const count = (field: 'replicas' | 'readyReplicas' | 'availableReplicas' | 'terminatingReplicas') =>
    sets.reduce((total, set) => total + (set.status?.[field] ?? 0), 0);
  const wanted = spec?.replicas ?? 1;
  const counts = {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: count('replicas'),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: count('readyReplicas'),
    availableReplicas: count('availableReplicas'),
    unavailableReplicas: Math.max(
      0,
      sets.reduce((total, set) => total + (set.spec?.replicas ?? 0), 0) - count('availableReplicas'),
    ),
    terminatingReplicas: count('terminatingReplicas'),
    ...(old?.collisionCount !== undefined && { collisionCount: old.collisionCount }),
  };
  const now = formatTime(nowMs);
  const { maxUnavailable } = rolloutLimits(spec?.strategy?.rollingUpdate ?? {}, wanted);
  const least = wanted - (spec?.strategy?.type === 'Recreate' ? 0 : maxUnavailable);
  const isAvailable = counts.availableReplicas >= least;
  let conditions = put(old?.conditions, now, {
    type: 'Available',
    status: isAvailable ? 'True' : 'False',
    reason: isAvailable ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: isAvailable ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
  });
  const failure =
    findCondition(newSet?.status?.conditions, 'ReplicaFailure') ??
    sets.map(({ status }) => findCondition(status?.conditions, 'ReplicaFailure')).find(Boolean);
  conditions = failure
    ? put(conditions, now, {
        type: 'ReplicaFailure',
        status: failure.status,
        reason: failure.reason ?? '',
        message: failure.message ?? '',
      })
    : withoutCondition(conditions, 'ReplicaFailure');
  const progress = progressCondition(input, counts, conditions);
  if (progress.condition) conditions = put(conditions, now, progress.condition, progress.moved);
  return { status: { ...counts, conditions }, deadlineInMs: progress.deadlineInMs };
}

type Counts = Pick<DeploymentStatus, 'replicas' | 'updatedReplicas' | 'availableReplicas' | 'readyReplicas'>;
type NewCondition = Pick<DeploymentCondition, 'type' | 'status' | 'reason' | 'message'>;

function progressCondition(
  { deployment, newSet, nowMs }: StatusInput,
  counts: Counts,
  conditions: readonly DeploymentCondition[],
): { condition?: NewCondition; moved?: boolean; deadlineInMs: number | undefined } {
  const { spec, status: old, metadata } = deployment;
  const deadlineSeconds = spec?.progressDeadlineSeconds;
  if (deadlineSeconds === undefined || deadlineSeconds === 2 ** 31 - 1) return { deadlineInMs: undefined };
  const present = findCondition(conditions, 'Progressing');
  const subject = newSet ? `ReplicaSet "${newSet.metadata?.name}"` : `Deployment "${metadata?.name}"`;
  if (spec?.paused) {
    const condition = {
      type: 'Progressing',
      status: 'Unknown',
      reason: 'DeploymentPaused',
      message: 'Deployment is paused',
    };
    return { condition, deadlineInMs: undefined };
  }
  const wanted = spec?.replicas ?? 1;
  const isComplete =
    newSet !== undefined &&
    counts.updatedReplicas === wanted &&
    counts.replicas === wanted &&
    counts.availableReplicas === wanted;
  if (isComplete) {
    const message = `${subject} has successfully progressed.`;
    return {
      condition: { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message },
      deadlineInMs: undefined,
    };
  }
  const value = (number: number | undefined) => number ?? 0;
  const moved =
    value(counts.updatedReplicas) > value(old?.updatedReplicas) ||
    value(counts.readyReplicas) > value(old?.readyReplicas) ||
    value(counts.availableReplicas) > value(old?.availableReplicas) ||
    value(counts.replicas) - value(counts.updatedReplicas) < value(old?.replicas) - value(old?.updatedReplicas);
  const restarted =
    !present ||
    present.reason === 'NewReplicaSetAvailable' ||
    present.reason === 'DeploymentPaused' ||
    old?.observedGeneration !== metadata?.generation;
  if (moved || restarted) {
    const message = `${subject} is progressing.`;
    return {
      condition: { type: 'Progressing', status: 'True', reason: 'ReplicaSetUpdated', message },
      moved: true,
      deadlineInMs: deadlineSeconds * 1000,
    };
  }
  if (present.reason === 'ProgressDeadlineExceeded') return { deadlineInMs: undefined };
  const sinceMs = Date.parse(present.lastUpdateTime ?? '') || nowMs;
  const leftMs = sinceMs + deadlineSeconds * 1000 - nowMs;
  if (leftMs > 0) return { deadlineInMs: leftMs };
  const message = `${subject} has timed out progressing.`;
  return {
    condition: { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message },
    deadlineInMs: undefined,
  };
}

/** `touch` renews the update time of a condition that says the same. */
function put(
  conditions: readonly DeploymentCondition[] | undefined,
  now: string,
  next: NewCondition,
  touch = false,
): DeploymentCondition[] {
  const full: DeploymentCondition = { ...next, lastUpdateTime: now, lastTransitionTime: now };
  const changed = withCondition(conditions, full);
  if (!touch || changed !== conditions) return changed;
  return changed.map((condition) => (condition.type === next.type ? { ...condition, lastUpdateTime: now } : condition));
}
