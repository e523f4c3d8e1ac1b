import type { Pod } from '../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../api/object.ts';
import type { Selector } from '../api/selectors.ts';
import type { Informer } from '../client/informer.ts';
import { keyOf } from '../client/object-index.ts';
import { type BuiltInResource, pods } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';
import { controllerOf, controllerReference, controllerUids } from './owner-references.ts';
import { isPodActive } from './pod-state.ts';

export const podsByController = 'controller';
/** Pods without a controller, by namespace. */
const orphans = 'orphans';

interface OwnedPodsOptions<T extends KubeObject> {
  readonly context: ControllerContext;
  readonly resource: BuiltInResource;
  readonly owners: Informer<T>;
  readonly selectorOf: (owner: T) => Selector;
  /** Called with the owner's key when a pod of it, or one it could adopt, changes. */
  readonly enqueue: (key: string) => void;
}

/** The pods of one kind of owner, by owner reference; pods without a controller that the selector matches are adopted. */
export class OwnedPods<T extends KubeObject> {
  readonly pods: Informer<Pod>;
  readonly #options: OwnedPodsOptions<T>;

  constructor(options: OwnedPodsOptions<T>) {
    this.#options = options;
    const { context, resource, owners, enqueue } = options;
    this.pods = context.informers.get<Pod>(pods);
    this.pods.addIndex(podsByController, controllerUids);
    this.pods.addIndex(orphans, (pod) => (controllerOf(pod) ? [] : [pod.metadata?.namespace ?? '']));
    this.pods.subscribe((change) => {
      const references = [
        controllerOf(change.object),
        change.type === 'updated' ? controllerOf(change.previous) : undefined,
      ];
      for (const reference of references) {
        if (reference?.kind !== resource.kind) continue;
        const key = `${change.object.metadata?.namespace}/${reference.name}`;
        if (owners.get(key)?.metadata?.uid === reference.uid) enqueue(key);
      }
      if (references[0] || change.type === 'deleted' || !isPodActive(change.object)) return;
      for (const owner of owners.values()) {
        if (owner.metadata?.namespace === change.object.metadata?.namespace && this.#wants(owner, change.object))
          enqueue(keyOf(owner));
      }
    });
  }

  /** The owner's pods, after it has adopted what it wants and let go what it does not match any more. */
  async claim(owner: T, signal: AbortSignal): Promise<Pod[]> {
    const { uid = '', namespace = '', deletionTimestamp } = owner.metadata ?? {};
    const own: Pod[] = [];
    const selector = this.#options.selectorOf(owner);
    for (const pod of this.pods.byIndex(podsByController, uid)) {
      // A selector that says nothing is no reason to let pods go.
      if (selector.requirements.length === 0 || selector.matches(pod.metadata?.labels)) own.push(pod);
      else if (!deletionTimestamp && !pod.metadata?.deletionTimestamp)
        await this.#patchOwner(pod, { $patch: 'delete', uid }, signal);
    }
    if (deletionTimestamp) return own;
    for (const pod of this.pods.byIndex(orphans, namespace)) {
      if (!isPodActive(pod) || !this.#wants(owner, pod)) continue;
      await this.#patchOwner(pod, controllerReference(this.#options.resource, owner), signal);
      own.push(pod);
    }
    return own;
  }

  #wants(owner: T, pod: Pod): boolean {
    const selector = this.#options.selectorOf(owner);
    return selector.requirements.length > 0 && selector.matches(pod.metadata?.labels);
  }

  async #patchOwner(pod: Pod, reference: object, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid } = pod.metadata ?? {};
    const patch = { metadata: { uid, ownerReferences: [reference] } };
    const type = 'application/strategic-merge-patch+json';
    await this.#options.context.client.patch(pods, { namespace, name }, patch, { type, signal });
  }
}
