import type { Job } from '../../api/kubernetes/batch-v1.ts';
import { keyOf, splitKey } from '../../client/object-index.ts';
import { jobs } from '../../client/resources.ts';
import type { ControllerContext } from '../controller.ts';
import { ReconcileLoop } from '../reconcile-loop.ts';

/** Deletes finished jobs `ttlSecondsAfterFinished` after their end. */
export function startTtlAfterFinished(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock } = context;
  const informer = informers.get<Job>(jobs);
  const loop = new ReconcileLoop({
    ...context,
    after: [informer],
    concurrency: 1,
    reconcile: async (key, signal) => {
      const job = informer.get(key);
      const dueMs = job && expiresAtMs(job);
      if (!job || dueMs === undefined || job.metadata?.deletionTimestamp) return undefined;
      const leftMs = dueMs - clock.now();
      if (leftMs > 0) return { afterMs: leftMs };
      const { uid = '', resourceVersion = '' } = job.metadata ?? {};
      const { namespace = '', name } = splitKey(key);
      await client.delete(
        jobs,
        { namespace, name },
        { propagationPolicy: 'Foreground', preconditions: { uid, resourceVersion }, signal },
      );
      return undefined;
    },
  });
  informer.subscribe(({ type, object }) => {
    if (type !== 'deleted' && expiresAtMs(object) !== undefined) loop.add(keyOf(object));
  });
  return loop;
}

export function expiresAtMs({ spec, status }: Job): number | undefined {
  if (spec?.ttlSecondsAfterFinished === undefined) return undefined;
  const end = status?.conditions?.find(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  );
  return end && Date.parse(end.lastTransitionTime ?? '') + spec.ttlSecondsAfterFinished * 1000;
}
