import { isDeepStrictEqual } from 'node:util';
import type { Job, JobCondition, JobStatus } from '../../api/kubernetes/batch-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { selectorFromObject } from '../../api/selectors.ts';
import { keyOf } from '../../client/object-index.ts';
import { jobs, pods } from '../../client/resources.ts';
import { formatTime } from '../../lib/clock.ts';
import { inBatches } from '../batches.ts';
import { findCondition, withCondition } from '../conditions.ts';
import type { ControllerContext } from '../controller.ts';
import { OwnedPods } from '../owned-pods.ts';
import { controllerReference } from '../owner-references.ts';
import { PendingWrites } from '../pending-writes.ts';
import { podFromTemplate } from '../pod-state.ts';
import { ReconcileLoop, type Requeue } from '../reconcile-loop.ts';
import { formatIndexes, indexAnnotation, isIndexed, trackingFinalizer } from './job-pods.ts';
import { countJobPods, type JobCounts, type JobEnd, jobEnd, planJobPods, retryDelayMs } from './plan-job.ts';

/** At most this many finished pods are counted in one status. */
const countedAtOnce = 500;

/**
 * Runs pods to completion. A finished pod is counted in the status before its finalizer is taken off, so that each counts exactly once,
 * whenever this process ends: uids pass through `status.uncountedTerminatedPods`.
 */
export function startJobController(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock, events } = context;
  const informer = informers.get<Job>(jobs);
  const pending = new PendingWrites({ clock });
  const owned = new OwnedPods<Job>({
    context,
    resource: jobs,
    owners: informer,
    selectorOf: ({ spec }) => selectorFromObject(spec?.selector),
    enqueue: (key) => loop.add(key),
  });

  const loop = new ReconcileLoop({
    ...context,
    after: [informer, owned.pods],
    reconcile: async (key, signal): Promise<Requeue | undefined> => {
      const job = informer.get(key);
      if (!job || job.spec?.managedBy) {
        pending.forget(key);
        return undefined;
      }
      const own = await owned.claim(job, signal);
      const isOver = ['Complete', 'Failed'].some(
        (type) => findCondition(job.status?.conditions, type)?.status === 'True',
      );
      if (isOver || job.metadata?.deletionTimestamp) {
        await release(own, signal);
        if (isOver) await stop(own, signal);
        return undefined;
      }
      const started = await ensureStarted(job, signal);
      if (!started) return undefined; // The write comes back as an event.
      const listed = new Set([
        ...(job.status?.uncountedTerminatedPods?.succeeded ?? []),
        ...(job.status?.uncountedTerminatedPods?.failed ?? []),
      ]);
      if (listed.size > 0) return finishCounting(job, own, listed, signal);
      const uncounted = (pod: Pod) => pod.metadata?.finalizers?.includes(trackingFinalizer) === true;
      const counts = countJobPods(job, own, uncounted);
      const end = jobEnd(job, counts, clock.now());
      if (end && counts.active.length > 0) await stop(counts.active, signal);
      let requeue: Requeue | undefined;
      if (!end && !job.spec?.suspend && pending.settled(key, owned.pods))
        requeue = await adjust(key, job, own, counts, signal);
      if (job.spec?.suspend && counts.active.length > 0) await stop(counts.active, signal);
      await writeStatus(
        job,
        counts,
        end && counts.terminating === 0 && counts.active.length === 0 ? end : undefined,
        signal,
      );
      return requeue ?? untilDeadline(job);
    },
  });

  async function ensureStarted(job: Job, signal: AbortSignal): Promise<boolean> {
    const suspended = job.spec?.suspend === true;
    const present = findCondition(job.status?.conditions, 'Suspended');
    const now = formatTime(clock.now());
    if (!suspended && job.status?.startTime && present?.status !== 'True') return true;
    if (suspended && present?.status === 'True') return true;
    const { startTime: _, ...status } = job.status ?? {};
    const condition: JobCondition = suspended
      ? {
          type: 'Suspended',
          status: 'True',
          reason: 'JobSuspended',
          message: 'Job suspended',
          lastProbeTime: now,
          lastTransitionTime: now,
        }
      : {
          type: 'Suspended',
          status: 'False',
          reason: 'JobResumed',
          message: 'Job resumed',
          lastProbeTime: now,
          lastTransitionTime: now,
        };
    const conditions = suspended || present ? withCondition(status.conditions, condition) : status.conditions;
    const next: JobStatus = { ...status, ...(conditions && { conditions }), ...(!suspended && { startTime: now }) };
    await client.update<Job>(jobs, { ...job, status: next }, { subresource: 'status', signal });
    return false;
  }

  async function adjust(
    key: string,
    job: Job,
    own: readonly Pod[],
    counts: JobCounts,
    signal: AbortSignal,
  ): Promise<Requeue | undefined> {
    const plan = planJobPods(job, counts);
    for (const pod of plan.remove) pending.deleted(key, pod);
    await stop(plan.remove, signal);
    if (plan.create.length === 0) return undefined;
    const waitMs = retryDelayMs(own, clock.now());
    if (waitMs > 0) return { afterMs: waitMs };
    await inBatches(plan.create.length, async (position) => {
      const created = await client.create<Pod>(pods, buildPod(job, plan.create[position]), { signal });
      pending.created(key, created);
      say(job, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata?.name}`);
    });
    return undefined;
  }

  /** Takes the finalizer off pods whose uid the status already holds, then counts them in. */
  async function finishCounting(
    job: Job,
    own: readonly Pod[],
    listed: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<undefined> {
    await release(
      own.filter(({ metadata }) => listed.has(metadata?.uid ?? '')),
      signal,
    );
    const { uncountedTerminatedPods: uncounted, ...status } = job.status ?? {};
    const next = {
      ...status,
      uncountedTerminatedPods: {},
      succeeded: isIndexed(job)
        ? (status.succeeded ?? 0)
        : (status.succeeded ?? 0) + (uncounted?.succeeded?.length ?? 0),
      failed: (status.failed ?? 0) + (uncounted?.failed?.length ?? 0),
    };
    await client.update<Job>(jobs, { ...job, status: next }, { subresource: 'status', signal });
    return undefined;
  }

  async function writeStatus(job: Job, counts: JobCounts, end: JobEnd | undefined, signal: AbortSignal): Promise<void> {
    const uids = (list: readonly Pod[]) => list.slice(0, countedAtOnce).map(({ metadata }) => metadata?.uid ?? '');
    const [succeeded, failed] = [uids(counts.newlySucceeded), uids(counts.newlyFailed)];
    const counting = succeeded.length + failed.length > 0;
    const now = formatTime(clock.now());
    let conditions = job.status?.conditions;
    if (end && !counting) {
      const ending = end.type === 'Complete' ? 'SuccessCriteriaMet' : 'FailureTarget';
      const { reason, message } = end;
      for (const type of [ending, end.type])
        conditions = withCondition(conditions, {
          type,
          status: 'True',
          reason,
          message,
          lastProbeTime: now,
          lastTransitionTime: now,
        });
    }
    const next: JobStatus = {
      ...job.status,
      active: counts.active.length,
      ready: counts.ready,
      terminating: counts.terminating,
      uncountedTerminatedPods: { ...(succeeded.length > 0 && { succeeded }), ...(failed.length > 0 && { failed }) },
      ...(isIndexed(job) && { completedIndexes: formatIndexes(counts.completedIndexes), succeeded: counts.succeeded }),
      ...(conditions && { conditions }),
      ...(end?.type === 'Complete' && !counting && { completionTime: now }),
    };
    if (sameStatus(next, job.status)) return;
    await client.update<Job>(jobs, { ...job, status: next }, { subresource: 'status', signal });
    if (!end || counting) return;
    if (end.type === 'Complete') say(job, 'Normal', 'Completed', 'Job completed');
    else say(job, 'Warning', end.reason, end.message);
  }

  async function release(list: readonly Pod[], signal: AbortSignal): Promise<void> {
    const held = list.filter(({ metadata }) => metadata?.finalizers?.includes(trackingFinalizer));
    await inBatches(held.length, async (position) => {
      const { namespace = '', name = '', uid } = held[position]?.metadata ?? {};
      const patch = { metadata: { uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] } };
      await client.patch(pods, { namespace, name }, patch, { type: 'application/strategic-merge-patch+json', signal });
    });
  }

  async function stop(list: readonly Pod[], signal: AbortSignal): Promise<void> {
    const running = list.filter(
      ({ metadata, status }) =>
        !metadata?.deletionTimestamp && status?.phase !== 'Succeeded' && status?.phase !== 'Failed',
    );
    await inBatches(running.length, async (position) => {
      const { namespace = '', name = '', uid = '' } = running[position]?.metadata ?? {};
      await client.delete(pods, { namespace, name }, { preconditions: { uid }, signal });
    });
  }

  function untilDeadline({ spec, status }: Job): Requeue | undefined {
    if (spec?.activeDeadlineSeconds === undefined || spec.suspend) return undefined;
    return {
      afterMs: Math.max(1, Date.parse(status?.startTime ?? '') + spec.activeDeadlineSeconds * 1000 - clock.now()),
    };
  }

  function say(job: Job, type: 'Normal' | 'Warning', reason: string, message: string): void {
    events.record({ ...job, apiVersion: 'batch/v1', kind: 'Job' }, { type, reason, message });
  }

  informer.subscribe(({ object }) => loop.add(keyOf(object)));
  return loop;
}

function buildPod(job: Job, index: number | undefined): Pod {
  const { name = '', namespace = '' } = job.metadata ?? {};
  const suffix = index === undefined ? '' : `${index}-`;
  const pod = podFromTemplate(job.spec?.template ?? {}, {
    namespace,
    generateName: `${name}-${suffix}`,
    owner: controllerReference(jobs, job),
  });
  const metadata = { ...pod.metadata, finalizers: [...(pod.metadata?.finalizers ?? []), trackingFinalizer] };
  if (index === undefined || !pod.spec) return { ...pod, metadata };
  const text = String(index);
  const variable = {
    name: 'JOB_COMPLETION_INDEX',
    valueFrom: { fieldRef: { fieldPath: `metadata.labels['${indexAnnotation}']` } },
  };
  const withIndex = <C extends { env?: { name: string }[] }>(container: C): C => ({
    ...container,
    env: [...(container.env ?? []), variable],
  });
  return {
    ...pod,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, [indexAnnotation]: text },
      annotations: { ...metadata.annotations, [indexAnnotation]: text },
    },
    spec: {
      ...pod.spec,
      hostname: `${name}-${text}`,
      containers: pod.spec.containers.map(withIndex),
      ...(pod.spec.initContainers && { initContainers: pod.spec.initContainers.map(withIndex) }),
    },
  };
}

/** Zero, nothing and an empty list say the same: the server leaves them out. */
function sameStatus(next: JobStatus, present: JobStatus | undefined): boolean {
  const isEmpty = (value: unknown) =>
    value === 0 ||
    value === undefined ||
    value === '' ||
    (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
  const clean = (status: object) => Object.fromEntries(Object.entries(status).filter(([, value]) => !isEmpty(value)));
  return isDeepStrictEqual(clean(next), clean(present ?? {}));
}
