import { ApiError } from '../api/errors.ts';
import type { Node, Pod } from '../api/kubernetes/core-v1.ts';
import { keyOf } from '../client/object-index.ts';
import { nodes, pods } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';
import { isPodFinished } from './pod-state.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

/** A node that is gone may come back for so long. */
const quarantineMs = 40_000;
const maxFinished = 12_500;

/** Deletes pods nobody else will: of nodes that are gone, deleted ones that never got a node, and the oldest of too many finished ones. */
export function startPodGarbageCollector(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock, log } = context;
  const podInformer = informers.get<Pod>(pods);
  const nodeInformer = informers.get<Node>(nodes);
  podInformer.addIndex('node', ({ spec }) => (spec?.nodeName ? [spec.nodeName] : []));
  const missingSince = new Map<string, number>();
  let finished = 0;

  const loop = new ReconcileLoop({
    ...context,
    after: [podInformer, nodeInformer],
    concurrency: 1,
    reconcile: async (key, signal) => {
      const pod = podInformer.get(key);
      if (!pod) return undefined;
      const node = pod.spec?.nodeName;
      if (!node) {
        if (pod.metadata?.deletionTimestamp) await remove(pod, 'deleted before it had a node', signal);
        return undefined;
      }
      if (nodeInformer.get(node)) {
        missingSince.delete(node);
        if (finished > maxFinished && isPodFinished(pod)) await remove(pod, 'too many finished pods', signal);
        return undefined;
      }
      const since = missingSince.get(node) ?? clock.now();
      missingSince.set(node, since);
      const leftMs = since + quarantineMs - clock.now();
      if (leftMs > 0) return { afterMs: leftMs };
      if (await exists(node, signal)) return undefined;
      await remove(pod, 'its node is gone', signal);
      return undefined;
    },
  });

  async function exists(node: string, signal: AbortSignal): Promise<boolean> {
    try {
      await client.get(nodes, { name: node }, { signal });
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return false;
      throw error;
    }
  }

  async function remove(pod: Pod, why: string, signal: AbortSignal): Promise<void> {
    log.info('Pod is collected', { pod: keyOf(pod), why });
    const ref = { namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' };
    if (!isPodFinished(pod)) {
      const patch = {
        metadata: { uid: pod.metadata?.uid },
        status: { phase: 'Failed', reason: 'NodeLost', message: `Deleted: ${why}` },
      };
      const type = 'application/strategic-merge-patch+json';
      await client.patch(pods, { ...ref, subresource: 'status' }, patch, { type, signal });
    }
    await client.delete(pods, ref, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata?.uid ?? '' }, signal });
  }

  podInformer.subscribe((change) => {
    const { type, object } = change;
    const was =
      change.type === 'updated' ? isPodFinished(change.previous) : change.type === 'deleted' && isPodFinished(object);
    const is = type !== 'deleted' && isPodFinished(object);
    finished += Number(is) - Number(was);
    const orphaned =
      object.spec?.nodeName &&
      podInformer.hasSynced &&
      nodeInformer.hasSynced &&
      !nodeInformer.get(object.spec.nodeName);
    const unplaced = !object.spec?.nodeName && object.metadata?.deletionTimestamp;
    if (type !== 'deleted' && (orphaned || unplaced || (is && finished > maxFinished))) loop.add(keyOf(object));
  });
  nodeInformer.subscribe(({ type, object }) => {
    const name = object.metadata?.name ?? '';
    if (type === 'deleted') for (const pod of podInformer.byIndex('node', name)) loop.add(keyOf(pod));
  });
  // What was orphaned while nobody watched.
  Promise.all([podInformer.synced, nodeInformer.synced]).then(
    () => {
      for (const pod of podInformer.values()) {
        if (pod.spec?.nodeName && !nodeInformer.get(pod.spec.nodeName)) loop.add(keyOf(pod));
      }
    },
    () => {}, // The informers were closed.
  );
  return loop;
}
