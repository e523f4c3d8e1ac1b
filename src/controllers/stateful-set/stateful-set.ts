import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../api/errors.ts';
import type { ControllerRevision, StatefulSet, StatefulSetStatus } from '../../api/kubernetes/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '../../api/kubernetes/core-v1.ts';
import { selectorFromObject } from '../../api/selectors.ts';
import { keyOf } from '../../client/object-index.ts';
import { controllerRevisions, persistentVolumeClaims, pods, statefulSets } from '../../client/resources.ts';
import { inBatches } from '../batches.ts';
import type { ControllerContext } from '../controller.ts';
import { syncRevision } from '../controller-revisions.ts';
import { revisionHashLabel } from '../daemon-pods.ts';
import { deletePods } from '../delete-pods.ts';
import { OwnedPods } from '../owned-pods.ts';
import { controllerReference } from '../owner-references.ts';
import { PendingWrites } from '../pending-writes.ts';
import { availableInMs, isPodReady, podFromTemplate } from '../pod-state.ts';
import { ReconcileLoop, type Requeue } from '../reconcile-loop.ts';
import { planStatefulSet } from './plan-stateful-set.ts';

/** Keeps pods with a stable name, each with its own volume claims. */
export function startStatefulSetController(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock, events } = context;
  const informer = informers.get<StatefulSet>(statefulSets);
  const revisions = informers.get<ControllerRevision>(controllerRevisions);
  const pending = new PendingWrites({ clock });
  const owned = new OwnedPods<StatefulSet>({
    context,
    resource: statefulSets,
    owners: informer,
    selectorOf: ({ spec }) => selectorFromObject(spec?.selector),
    enqueue: (key) => loop.add(key),
  });
  const loop = new ReconcileLoop({
    ...context,
    after: [informer, owned.pods, revisions],
    reconcile: async (key, signal): Promise<Requeue | undefined> => {
      const set = informer.get(key);
      if (!set || set.metadata?.deletionTimestamp) {
        pending.forget(key);
        return undefined;
      }
      const own = await owned.claim(set, signal);
      const { template, revisionHistoryLimit: limit = 10 } = set.spec ?? {};
      const hash = await syncRevision({
        client,
        revisions,
        owner: set,
        resource: statefulSets,
        template,
        limit,
        live: own,
        signal,
      });
      if (pending.settled(key, owned.pods)) {
        const plan = planStatefulSet(set, own, hash);
        const onDeleted = (name: string) =>
          say(set, 'SuccessfulDelete', `delete Pod ${name} in StatefulSet ${set.metadata?.name} successful`);
        await deletePods(plan.remove, { client, pending, owner: key, signal, onDeleted });
        await inBatches(plan.create.length, async (position) => {
          const ordinal = plan.create[position] ?? 0;
          await ensureClaims(set, ordinal, signal);
          const created = await client.create<Pod>(pods, buildPod(set, ordinal, hash), { signal });
          pending.created(key, created);
          say(
            set,
            'SuccessfulCreate',
            `create Pod ${created.metadata?.name} in StatefulSet ${set.metadata?.name} successful`,
          );
        });
      }
      return writeStatus(set, own, hash, signal);
    },
  });

  async function ensureClaims(set: StatefulSet, ordinal: number, signal: AbortSignal): Promise<void> {
    for (const claim of set.spec?.volumeClaimTemplates ?? []) {
      const metadata = {
        ...claim.metadata,
        name: claimName(set, claim, ordinal),
        namespace: set.metadata?.namespace ?? '',
        labels: { ...claim.metadata?.labels, ...set.spec?.selector?.matchLabels },
      };
      try {
        await client.create<PersistentVolumeClaim>(persistentVolumeClaims, { ...claim, metadata }, { signal });
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
      }
    }
  }

  async function writeStatus(
    set: StatefulSet,
    own: readonly Pod[],
    hash: string,
    signal: AbortSignal,
  ): Promise<Requeue | undefined> {
    const live = own.filter(({ metadata }) => !metadata?.deletionTimestamp);
    const dues = live.map((pod) => availableInMs(pod, set.spec?.minReadySeconds ?? 0, clock.now()));
    const updated = live.filter(({ metadata }) => metadata?.labels?.[revisionHashLabel] === hash).length;
    const updateRevision = `${set.metadata?.name}-${hash}`;
    const isDone = updated === (set.spec?.replicas ?? 1) && own.length === updated;
    const currentRevision = isDone ? updateRevision : (set.status?.currentRevision ?? updateRevision);
    const status: StatefulSetStatus = {
      ...set.status,
      replicas: own.length,
      readyReplicas: live.filter(isPodReady).length,
      availableReplicas: dues.filter((ms) => ms === 0).length,
      updatedReplicas: updated,
      currentReplicas: live.filter(
        ({ metadata }) => `${set.metadata?.name}-${metadata?.labels?.[revisionHashLabel]}` === currentRevision,
      ).length,
      currentRevision,
      updateRevision,
      observedGeneration: set.metadata?.generation ?? 0,
    };
    const clean = (value: object) =>
      Object.fromEntries(Object.entries(value).filter(([, one]) => one !== 0 && one !== undefined));
    if (!isDeepStrictEqual(clean(status), clean(set.status ?? {}))) {
      await client.update<StatefulSet>(statefulSets, { ...set, status }, { subresource: 'status', signal });
    }
    const next = dues.filter((ms) => ms !== undefined && ms > 0) as number[]; // the filter leaves numbers
    return next.length > 0 ? { afterMs: Math.min(...next) } : undefined;
  }

  function say(set: StatefulSet, reason: string, message: string): void {
    events.record({ ...set, apiVersion: 'apps/v1', kind: 'StatefulSet' }, { type: 'Normal', reason, message });
  }

  informer.subscribe(({ object }) => loop.add(keyOf(object)));
  return loop;
}

function claimName(set: StatefulSet, { metadata }: PersistentVolumeClaim, ordinal: number): string {
  return `${metadata?.name}-${set.metadata?.name}-${ordinal}`;
}

function buildPod(set: StatefulSet, ordinal: number, hash: string): Pod {
  const { namespace = '', name: setName = '' } = set.metadata ?? {};
  const name = `${setName}-${ordinal}`;
  const pod = podFromTemplate(set.spec?.template ?? {}, {
    namespace,
    name,
    owner: controllerReference(statefulSets, set),
  });
  const labels = {
    ...pod.metadata?.labels,
    'statefulset.kubernetes.io/pod-name': name,
    'apps.kubernetes.io/pod-index': String(ordinal),
    [revisionHashLabel]: hash,
  };
  if (!pod.spec) return pod;
  const claims = set.spec?.volumeClaimTemplates ?? [];
  const names = new Set(claims.map(({ metadata }) => metadata?.name));
  const volumes = [
    ...(pod.spec.volumes ?? []).filter((volume) => !names.has(volume.name)),
    ...claims.map((claim) => ({
      name: claim.metadata?.name ?? '',
      persistentVolumeClaim: { claimName: claimName(set, claim, ordinal) },
    })),
  ];
  const subdomain = set.spec?.serviceName;
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { ...pod.spec, hostname: name, ...(subdomain && { subdomain }), ...(volumes.length > 0 && { volumes }) },
  };
}
