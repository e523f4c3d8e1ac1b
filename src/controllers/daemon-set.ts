import { isDeepStrictEqual } from 'node:util';
import type { ControllerRevision, DaemonSet, DaemonSetStatus } from '../api/kubernetes/apps-v1.ts';
import type { Node, Pod } from '../api/kubernetes/core-v1.ts';
import { selectorFromObject } from '../api/selectors.ts';
import { keyOf } from '../client/object-index.ts';
import { controllerRevisions, daemonSets, nodes, pods } from '../client/resources.ts';
import { inBatches } from './batches.ts';
import type { ControllerContext } from './controller.ts';
import { syncRevision } from './controller-revisions.ts';
import { daemonPod, revisionHashLabel, targetNode } from './daemon-pods.ts';
import { deletePods } from './delete-pods.ts';
import { OwnedPods } from './owned-pods.ts';
import { PendingWrites } from './pending-writes.ts';
import { planDaemonPods } from './plan-daemon-pods.ts';
import { availableInMs, isPodActive } from './pod-state.ts';
import { ReconcileLoop, type Requeue } from './reconcile-loop.ts';

/** Keeps one pod on each node that the template fits. */
export function startDaemonSetController(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock, events } = context;
  const informer = informers.get<DaemonSet>(daemonSets);
  const nodeInformer = informers.get<Node>(nodes);
  const revisions = informers.get<ControllerRevision>(controllerRevisions);
  const pending = new PendingWrites({ clock });
  const owned = new OwnedPods<DaemonSet>({
    context,
    resource: daemonSets,
    owners: informer,
    selectorOf: ({ spec }) => selectorFromObject(spec?.selector),
    enqueue: (key) => loop.add(key),
  });

  const loop = new ReconcileLoop({
    ...context,
    after: [informer, nodeInformer, owned.pods, revisions],
    reconcile: async (key, signal): Promise<Requeue | undefined> => {
      const set = informer.get(key);
      if (!set || set.metadata?.deletionTimestamp) {
        pending.forget(key);
        return undefined;
      }
      const own = await owned.claim(set, signal);
      const hash = await syncRevision({
        client,
        revisions,
        owner: set,
        resource: daemonSets,
        template: set.spec?.template,
        limit: set.spec?.revisionHistoryLimit ?? 10,
        live: own,
        signal,
      });
      const plan = planDaemonPods({ set, pods: own, nodes: [...nodeInformer.values()], hash, nowMs: clock.now() });
      if (pending.settled(key, owned.pods)) {
        const onDeleted = (name: string) => say(set, 'SuccessfulDelete', `Deleted pod: ${name}`);
        await deletePods(plan.remove, { client, pending, owner: key, signal, onDeleted });
        await inBatches(plan.create.length, async (position) => {
          const created = await client.create<Pod>(pods, daemonPod(set, plan.create[position] ?? '', hash), { signal });
          pending.created(key, created);
          say(set, 'SuccessfulCreate', `Created pod: ${created.metadata?.name}`);
        });
      }
      return writeStatus(set, own, { hash, wanted: plan.wanted, signal });
    },
  });

  async function writeStatus(
    set: DaemonSet,
    own: readonly Pod[],
    { hash, wanted, signal }: { hash: string; wanted: ReadonlySet<string>; signal: AbortSignal },
  ): Promise<Requeue | undefined> {
    let nextMs: number | undefined;
    const running = new Map<string, Pod>();
    for (const pod of own) if (isPodActive(pod) && pod.spec) running.set(targetNode(pod), pod);
    const [placed, misplaced] = [
      [...running].filter(([node]) => wanted.has(node)),
      [...running].filter(([node]) => !wanted.has(node)),
    ];
    const counts = { ready: 0, available: 0, updated: 0 };
    for (const [, pod] of placed) {
      const dueMs = availableInMs(pod, set.spec?.minReadySeconds ?? 0, clock.now());
      if (dueMs !== undefined) counts.ready++;
      if (dueMs === 0) counts.available++;
      else if (dueMs !== undefined) nextMs = Math.min(nextMs ?? dueMs, dueMs);
      if (pod.metadata?.labels?.[revisionHashLabel] === hash) counts.updated++;
    }
    const status: DaemonSetStatus = {
      ...set.status,
      currentNumberScheduled: placed.length,
      desiredNumberScheduled: wanted.size,
      numberMisscheduled: misplaced.length,
      numberReady: counts.ready,
      numberAvailable: counts.available,
      numberUnavailable: wanted.size - counts.available,
      updatedNumberScheduled: counts.updated,
      observedGeneration: set.metadata?.generation ?? 0,
    };
    const clean = (value: object) =>
      Object.fromEntries(Object.entries(value).filter(([, one]) => one !== 0 && one !== undefined));
    if (!isDeepStrictEqual(clean(status), clean(set.status ?? {}))) {
      await client.update<DaemonSet>(daemonSets, { ...set, status }, { subresource: 'status', signal });
    }
    return nextMs === undefined ? undefined : { afterMs: nextMs };
  }

  function say(set: DaemonSet, reason: string, message: string): void {
    events.record({ ...set, apiVersion: 'apps/v1', kind: 'DaemonSet' }, { type: 'Normal', reason, message });
  }

  informer.subscribe(({ object }) => loop.add(keyOf(object)));
  nodeInformer.subscribe((change) => {
    if (change.type === 'updated' && isDeepStrictEqual(placement(change.object), placement(change.previous))) return;
    for (const set of informer.values()) loop.add(keyOf(set));
  });
  return loop;
}

function placement({ metadata, spec }: Node) {
  return [metadata?.labels, spec?.taints, spec?.unschedulable];
}
