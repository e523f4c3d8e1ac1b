import type { Job } from '../../api/kubernetes/batch-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { isPodActive, isPodFinished, isPodReady } from '../pod-state.ts';
import { completionIndex, freeIndexes, isIndexed, parseIndexes } from './job-pods.ts';

/** What is known of a job's pods, finished ones that are counted already left out. */
export interface JobCounts {
  readonly active: readonly Pod[];
  readonly ready: number;
  readonly terminating: number;
  /** Finished since the last status, with their finalizer still on. */
  readonly newlySucceeded: readonly Pod[];
  readonly newlyFailed: readonly Pod[];
  /** With the new ones. */
  readonly succeeded: number;
  readonly failed: number;
  readonly completedIndexes: ReadonlySet<number>;
}

/** @param uncounted whether the pod still has its tracking finalizer and is in no list of the status */
export function countJobPods(job: Job, pods: readonly Pod[], uncounted: (pod: Pod) => boolean): JobCounts {
  const { status, spec } = job;
  const active = pods.filter(isPodActive);
  const completedIndexes = parseIndexes(status?.completedIndexes);
  const newlySucceeded: Pod[] = [];
  const newlyFailed: Pod[] = [];
  for (const pod of pods.filter(uncounted)) {
    if (pod.status?.phase === 'Succeeded') {
      const index = completionIndex(pod);
      if (isIndexed(job) && (index === undefined || index >= (spec?.completions ?? 0) || completedIndexes.has(index)))
        continue;
      if (isIndexed(job) && index !== undefined) completedIndexes.add(index);
      newlySucceeded.push(pod);
    } else if (pod.status?.phase === 'Failed' || pod.metadata?.deletionTimestamp) newlyFailed.push(pod);
  }
  return {
    active,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter((pod) => pod.metadata?.deletionTimestamp && !isPodFinished(pod)).length,
    newlySucceeded,
    newlyFailed,
    succeeded: isIndexed(job) ? completedIndexes.size : (status?.succeeded ?? 0) + newlySucceeded.length,
    failed: (status?.failed ?? 0) + newlyFailed.length,
    completedIndexes,
  };
}

export interface JobEnd {
  readonly type: 'Complete' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

/** Whether the job is over. */
export function jobEnd({ spec, status }: Job, counts: JobCounts, nowMs: number): JobEnd | undefined {
  if (counts.failed > (spec?.backoffLimit ?? 6)) {
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  }
  const startedMs = Date.parse(status?.startTime ?? '');
  if (spec?.activeDeadlineSeconds !== undefined && nowMs - startedMs >= spec.activeDeadlineSeconds * 1000) {
    return { type: 'Failed', reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  const done =
    spec?.completions === undefined
      ? counts.succeeded > 0 && counts.active.length === 0
      : counts.succeeded >= spec.completions;
  return done
    ? { type: 'Complete', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
    : undefined;
}

/** How many pods to start (for an indexed job, which ones), or which to stop. */
export function planJobPods(
  job: Job,
  counts: JobCounts,
): { create: readonly (number | undefined)[]; remove: readonly Pod[] } {
  const { spec } = job;
  const parallelism = spec?.parallelism ?? 1;
  const left =
    spec?.completions === undefined
      ? counts.succeeded > 0
        ? counts.active.length
        : parallelism
      : spec.completions - counts.succeeded;
  const wanted = Math.max(0, Math.min(parallelism, left));
  const missing = wanted - counts.active.length;
  if (missing < 0)
    return {
      create: [],
      remove: counts.active.toSorted((a, b) => Number(isPodReady(a)) - Number(isPodReady(b))).slice(0, -missing),
    };
  if (!isIndexed(job)) return { create: Array.from({ length: missing }, () => undefined), remove: [] };
  const taken = new Set(counts.completedIndexes);
  for (const pod of counts.active) {
    const index = completionIndex(pod);
    if (index !== undefined) taken.add(index);
  }
  return { create: freeIndexes(spec?.completions ?? 0, taken, missing), remove: [] };
}

const firstBackoffMs = 10_000;
const maxBackoffMs = 600_000;

/** How long to wait before another pod is started after failures in a row. */
export function retryDelayMs(pods: readonly Pod[], nowMs: number): number {
  const finishedMs = (pod: Pod) =>
    Math.max(
      0,
      ...(pod.status?.containerStatuses ?? []).map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? '') || 0),
    ) || Date.parse(pod.metadata?.creationTimestamp ?? '');
  const ended = pods.filter(isPodFinished).toSorted((a, b) => finishedMs(b) - finishedMs(a));
  const failures = ended.findIndex(({ status }) => status?.phase === 'Succeeded');
  const inARow = failures < 0 ? ended.length : failures;
  const [latest] = ended;
  if (inARow === 0 || !latest) return 0;
  return Math.max(0, finishedMs(latest) + Math.min(maxBackoffMs, firstBackoffMs * 2 ** (inARow - 1)) - nowMs);
}
