import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../api/errors.ts';
import type { Deployment, ReplicaSet } from '../../api/kubernetes/apps-v1.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { selectorFromObject } from '../../api/selectors.ts';
import { keyOf } from '../../client/object-index.ts';
import { deployments, pods, replicaSets } from '../../client/resources.ts';
import type { ControllerContext } from '../controller.ts';
import { controllerOf, controllerReference, controllerUids } from '../owner-references.ts';
import { isPodFinished } from '../pod-state.ts';
import { ReconcileLoop } from '../reconcile-loop.ts';
import { deploymentStatus } from './deployment-status.ts';
import { rolloutLimits } from './int-or-percent.ts';
import {
  desiredReplicasAnnotation,
  isScaling,
  maxReplicasAnnotation,
  planProportional,
  planRecreate,
  planRollingUpdate,
  type ScalePlan,
} from './plan-rollout.ts';
import { buildNewSet, findNewSet, newSetAnnotations, revisionAnnotation, surplusSets } from './revisions.ts';
import { sameTemplate, templateHash } from './template-hash.ts';

const setsByController = 'controller';
const podsByController = 'controller';

/** Keeps one ReplicaSet for each template a Deployment has had, and moves pods to the newest as its strategy says. */
export function startDeploymentController(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock, events } = context;
  const deploymentInformer = informers.get<Deployment>(deployments);
  const setInformer = informers.get<ReplicaSet>(replicaSets);
  const podInformer = informers.get<Pod>(pods);
  setInformer.addIndex(setsByController, controllerUids);
  podInformer.addIndex(podsByController, controllerUids);

  const loop = new ReconcileLoop({
    ...context,
    after: [deploymentInformer, setInformer, podInformer],
    reconcile: async (key, signal) => {
      const deployment = deploymentInformer.get(key);
      if (!deployment || deployment.metadata?.deletionTimestamp) return undefined;
      const pass = new Pass(deployment, signal);
      return pass.run();
    },
  });

  /** One look at one deployment. */
  class Pass {
    readonly #deployment: Deployment;
    readonly #signal: AbortSignal;

    constructor(deployment: Deployment, signal: AbortSignal) {
      this.#deployment = deployment;
      this.#signal = signal;
    }

    async run() {
      const deployment = this.#deployment;
      const sets = await this.#claimSets();
      let newSet = findNewSet(deployment, sets);
      const oldSets = sets.filter((set) => set !== newSet);
      const isRecreate = deployment.spec?.strategy?.type === 'Recreate';
      if (deployment.spec?.paused || isScaling(deployment, sets)) {
        await this.#scale(sets, planProportional(deployment, sets));
      } else if (isRecreate) {
        const oldPodsRunning = this.#havePods(oldSets);
        const down = planRecreate(deployment, { newSet, oldSets, oldPodsRunning });
        await this.#scale(sets, down);
        if (down.size === 0 && !oldPodsRunning)
          newSet = await this.#syncNewSet(newSet, oldSets, deployment.spec?.replicas ?? 1);
      } else {
        const { maxSurge } = rolloutLimits(
          deployment.spec?.strategy?.rollingUpdate ?? {},
          deployment.spec?.replicas ?? 1,
        );
        const wanted = deployment.spec?.replicas ?? 1;
        const total = oldSets.reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0);
        const first = Math.max(0, Math.min(wanted, wanted + maxSurge - total));
        newSet = await this.#syncNewSet(newSet, oldSets, first);
        await this.#scale([newSet, ...oldSets], planRollingUpdate(deployment, { newSet, oldSets }));
      }
      if (!deployment.spec?.paused) await this.#cleanUp(oldSets);
      return this.#updateStatus(newSet, newSet && !sets.includes(newSet) ? [...oldSets, newSet] : sets);
    }

    async #claimSets(): Promise<ReplicaSet[]> {
      const { uid = '', namespace } = this.#deployment.metadata ?? {};
      const own = setInformer.byIndex(setsByController, uid).filter(({ metadata }) => !metadata?.deletionTimestamp);
      const selector = selectorFromObject(this.#deployment.spec?.selector);
      for (const set of setInformer.values()) {
        const { metadata } = set;
        if (metadata?.namespace !== namespace || metadata?.deletionTimestamp || controllerOf(set)) continue;
        if (selector.requirements.length === 0 || !selector.matches(metadata?.labels)) continue;
        const reference = controllerReference(deployments, this.#deployment);
        const patch = {
          metadata: { uid: metadata?.uid, ownerReferences: [...(metadata?.ownerReferences ?? []), reference] },
        };
        const ref = { namespace: namespace ?? '', name: metadata?.name ?? '' };
        own.push(
          await client.patch<ReplicaSet>(replicaSets, ref, patch, {
            type: 'application/merge-patch+json',
            signal: this.#signal,
          }),
        );
      }
      return own;
    }

    #havePods(sets: readonly ReplicaSet[]): boolean {
      return sets.some((set) =>
        podInformer.byIndex(podsByController, set.metadata?.uid ?? '').some((pod) => !isPodFinished(pod)),
      );
    }

    /** The new set with its annotations up to date; created where there is none. */
    async #syncNewSet(
      newSet: ReplicaSet | undefined,
      oldSets: readonly ReplicaSet[],
      replicas: number,
    ): Promise<ReplicaSet> {
      const deployment = this.#deployment;
      const signal = this.#signal;
      const annotations = {
        ...newSetAnnotations(deployment, newSet, oldSets),
        ...(newSet ? {} : this.#sizeAnnotations()),
      };
      let set = newSet;
      if (!set) set = await this.#createSet(annotations, replicas);
      else if (
        !isDeepStrictEqual(annotations, set.metadata?.annotations ?? {}) ||
        set.spec?.minReadySeconds !== deployment.spec?.minReadySeconds
      ) {
        const { minReadySeconds } = deployment.spec ?? {};
        const spec = { ...set.spec, ...(minReadySeconds !== undefined && { minReadySeconds }) } as NonNullable<
          ReplicaSet['spec']
        >; // a set that was read has a spec
        set = await client.update<ReplicaSet>(
          replicaSets,
          { ...set, metadata: { ...set.metadata, annotations }, spec },
          { signal },
        );
      }
      const revision = annotations[revisionAnnotation];
      if (revision !== undefined && deployment.metadata?.annotations?.[revisionAnnotation] !== revision) {
        const metadata = {
          ...deployment.metadata,
          annotations: { ...deployment.metadata?.annotations, [revisionAnnotation]: revision },
        };
        // As upstream: a write of the deployment itself would count as a new generation of it.
        const updated = await client.update<Deployment>(
          deployments,
          { ...deployment, metadata },
          { subresource: 'status', signal },
        );
        this.#metadata = updated.metadata;
      }
      return set;
    }

    /** As written here, which the status continues from. */
    #metadata: Deployment['metadata'];

    async #createSet(annotations: Record<string, string>, replicas: number): Promise<ReplicaSet> {
      const deployment = this.#deployment;
      const hash = templateHash(deployment.spec?.template, deployment.status?.collisionCount);
      const wanted = buildNewSet(deployment, { hash, annotations, replicas });
      const owner = controllerReference(deployments, deployment);
      const object = { ...wanted, metadata: { ...wanted.metadata, ownerReferences: [owner] } };
      try {
        const created = await client.create<ReplicaSet>(replicaSets, object, { signal: this.#signal });
        this.#say('ScalingReplicaSet', `Scaled up replica set ${created.metadata?.name} from 0 to ${replicas}`);
        return created;
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error;
        const { namespace = '', name = '' } = wanted.metadata ?? {};
        const present = await client.get<ReplicaSet>(replicaSets, { namespace, name }, { signal: this.#signal });
        const isOurs =
          controllerOf(present)?.uid === owner.uid && sameTemplate(present.spec?.template, deployment.spec?.template);
        if (isOurs) return present;
        const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 };
        await client.update<Deployment>(
          deployments,
          { ...deployment, status },
          { subresource: 'status', signal: this.#signal },
        );
        throw error; // Tried again with another hash.
      }
    }

    #sizeAnnotations(): Record<string, string> {
      const wanted = this.#deployment.spec?.replicas ?? 1;
      const { maxSurge } = rolloutLimits(this.#deployment.spec?.strategy?.rollingUpdate ?? {}, wanted);
      const surge = this.#deployment.spec?.strategy?.type === 'Recreate' ? 0 : maxSurge;
      return { [desiredReplicasAnnotation]: String(wanted), [maxReplicasAnnotation]: String(wanted + surge) };
    }

    async #scale(sets: readonly ReplicaSet[], plan: ScalePlan): Promise<void> {
      const size = this.#sizeAnnotations();
      for (const set of sets) {
        const before = set.spec?.replicas ?? 0;
        const replicas = plan.get(set.metadata?.uid ?? '') ?? before;
        const noted = Object.entries(size).every(([key, value]) => set.metadata?.annotations?.[key] === value);
        if (replicas === before && (noted || before === 0)) continue;
        const metadata = { ...set.metadata, annotations: { ...set.metadata?.annotations, ...size } };
        const spec = { ...set.spec, replicas } as NonNullable<ReplicaSet['spec']>; // a set that was read has a spec
        await client.update<ReplicaSet>(replicaSets, { ...set, metadata, spec }, { signal: this.#signal });
        if (replicas === before) continue;
        const direction = replicas > before ? 'up' : 'down';
        this.#say(
          'ScalingReplicaSet',
          `Scaled ${direction} replica set ${set.metadata?.name} from ${before} to ${replicas}`,
        );
      }
    }

    async #cleanUp(oldSets: readonly ReplicaSet[]): Promise<void> {
      for (const { metadata } of surplusSets(this.#deployment, oldSets)) {
        const ref = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
        await client.delete(replicaSets, ref, { preconditions: { uid: metadata?.uid ?? '' }, signal: this.#signal });
      }
    }

    async #updateStatus(newSet: ReplicaSet | undefined, sets: readonly ReplicaSet[]) {
      const deployment = this.#deployment;
      const { status, deadlineInMs } = deploymentStatus({ deployment, newSet, sets, nowMs: clock.now() });
      if (!sameStatus(status, deployment.status)) {
        await client.update<Deployment>(
          deployments,
          { ...deployment, metadata: this.#metadata ?? deployment.metadata, status },
          { subresource: 'status', signal: this.#signal },
        );
      }
      return deadlineInMs === undefined ? undefined : { afterMs: deadlineInMs };
    }

    #say(reason: string, message: string): void {
      events.record(
        { ...this.#deployment, apiVersion: 'apps/v1', kind: 'Deployment' },
        { type: 'Normal', reason, message },
      );
    }
  }

  const enqueueOwner = (set: ReplicaSet) => {
    const owner = controllerOf(set);
    if (owner?.kind === 'Deployment') loop.add(`${set.metadata?.namespace}/${owner.name}`);
  };
  deploymentInformer.subscribe(({ object }) => loop.add(keyOf(object)));
  setInformer.subscribe(({ object }) => enqueueOwner(object));
  podInformer.subscribe(({ type, object }) => {
    if (type !== 'deleted' && !(type === 'updated' && isPodFinished(object))) return;
    const owner = controllerOf(object);
    const set =
      owner?.kind === 'ReplicaSet' ? setInformer.get(`${object.metadata?.namespace}/${owner.name}`) : undefined;
    if (set) enqueueOwner(set); // A Recreate waits for the last of the old pods.
  });
  return loop;
}

/** Zero and absence say the same: the server leaves zeros out. */
function sameStatus(next: object, present: object | undefined): boolean {
  const clean = (status: object) =>
    Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0 && value !== undefined));
  return isDeepStrictEqual(clean(next), clean(present ?? {}));
}
