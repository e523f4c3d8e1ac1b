import type { ReplicaSet, ReplicaSetCondition } from '../api/kubernetes/apps-v1.ts';
import type { Pod, ReplicationController } from '../api/kubernetes/core-v1.ts';
import { selectorFromObject } from '../api/selectors.ts';
import { keyOf } from '../client/object-index.ts';
import { type BuiltInResource, pods, replicaSets, replicationControllers } from '../client/resources.ts';
import { formatTime } from '../lib/clock.ts';
import { messageOf } from '../lib/error-message.ts';
import { inBatches } from './batches.ts';
import { withCondition, withoutCondition } from './conditions.ts';
import type { ControllerContext, StartController } from './controller.ts';
import { deletePods } from './delete-pods.ts';
import { OwnedPods } from './owned-pods.ts';
import { controllerReference } from './owner-references.ts';
import { PendingWrites } from './pending-writes.ts';
import { countPods, planReplicas } from './pod-set.ts';
import { podFromTemplate } from './pod-state.ts';
import { ReconcileLoop, type Requeue } from './reconcile-loop.ts';

/** At most this many pods are created or deleted in one pass. */
const burst = 500;

export const startReplicaSetController: StartController = (context) =>
  startReplicas(context, replicaSets, (object) => object as ReplicaSet); // what the informer of that resource holds

/** A ReplicationController differs only in its selector, which is a plain map of labels. */
export const startReplicationController: StartController = (context) =>
  startReplicas(context, replicationControllers, (object) => {
    const { spec, ...rest } = object as ReplicationController; // what the informer of that resource holds
    const selector = { matchLabels: spec?.selector ?? spec?.template?.metadata?.labels ?? {} };
    return { ...rest, spec: { ...spec, selector } } as ReplicaSet; // the same shape but for the selector
  });

function startReplicas(
  context: ControllerContext,
  resource: BuiltInResource,
  asReplicaSet: (object: object) => ReplicaSet,
): AsyncDisposable {
  const { client, informers, clock, events } = context;
  const sets = informers.get<ReplicaSet>(resource);
  const pending = new PendingWrites({ clock });
  const owned = new OwnedPods({
    context,
    resource,
    owners: sets,
    selectorOf: (object) => selectorFromObject(asReplicaSet(object).spec?.selector),
    enqueue: (key) => loop.add(key),
  });

  const loop = new ReconcileLoop({
    ...context,
    after: [sets, owned.pods],
    reconcile: async (key, signal): Promise<Requeue | undefined> => {
      const found = sets.get(key);
      if (!found) {
        pending.forget(key);
        return undefined;
      }
      const set = asReplicaSet(found);
      const { namespace = '', name = '', deletionTimestamp } = set.metadata ?? {};
      const own = await owned.claim(found, signal);
      let failure: unknown;
      if (!deletionTimestamp && pending.settled(key, owned.pods)) {
        const { create, remove } = planReplicas(own, set.spec?.replicas ?? 1);
        const owner = controllerReference(resource, set);
        try {
          await inBatches(Math.min(create, burst), async () => {
            const pod = podFromTemplate(set.spec?.template ?? {}, { namespace, generateName: `${name}-`, owner });
            const created = await client.create<Pod>(pods, pod, { signal });
            pending.created(key, created);
            events.record(
              { ...set, apiVersion: owner.apiVersion, kind: owner.kind },
              { type: 'Normal', reason: 'SuccessfulCreate', message: `Created pod: ${created.metadata?.name}` },
            );
          });
          const onDeleted = (podName: string) =>
            events.record(
              { ...set, apiVersion: owner.apiVersion, kind: owner.kind },
              { type: 'Normal', reason: 'SuccessfulDelete', message: `Deleted pod: ${podName}` },
            );
          await deletePods(remove.slice(0, burst), { client, pending, owner: key, signal, onDeleted });
        } catch (error) {
          signal.throwIfAborted();
          failure = error;
          if (create > 0)
            events.record(
              { ...set, apiVersion: owner.apiVersion, kind: owner.kind },
              { type: 'Warning', reason: 'FailedCreate', message: `Error creating: ${messageOf(error)}` },
            );
        }
      }
      const nextMs = await updateStatus(found, set, own, failure, signal);
      if (failure !== undefined) throw failure;
      return nextMs === undefined ? undefined : { afterMs: nextMs };
    },
  });

  async function updateStatus(
    found: ReplicaSet,
    set: ReplicaSet,
    own: Pod[],
    failure: unknown,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { metadata, spec, status } = set;
    const { nextMs, ...counts } = countPods(own, {
      selector: selectorFromObject(spec?.selector),
      template: spec?.template,
      minReadySeconds: spec?.minReadySeconds ?? 0,
      nowMs: clock.now(),
    });
    const { terminatingReplicas, ...shown } = counts;
    const conditions: ReplicaSetCondition[] | undefined =
      failure === undefined
        ? status?.conditions && withoutCondition(status.conditions, 'ReplicaFailure')
        : withCondition(status?.conditions, {
            type: 'ReplicaFailure',
            status: 'True',
            reason: 'FailedCreate',
            message: messageOf(failure),
            lastTransitionTime: formatTime(clock.now()),
          });
    const next = {
      ...shown,
      ...(resource === replicaSets && { terminatingReplicas }),
      observedGeneration: metadata?.generation ?? 0,
      ...(conditions && conditions.length > 0 && { conditions }),
    };
    const same =
      Object.entries(next).every(
        ([field, value]) =>
          field === 'conditions' ||
          (status as Record<string, unknown> | undefined)?.[field] === value ||
          (value === 0 && (status as Record<string, unknown> | undefined)?.[field] === undefined),
      ) && JSON.stringify(conditions ?? []) === JSON.stringify(status?.conditions ?? []);
    if (!same) await client.update<ReplicaSet>(resource, { ...found, status: next }, { subresource: 'status', signal });
    return nextMs;
  }

  sets.subscribe(({ object }) => loop.add(keyOf(object)));
  return loop;
}
