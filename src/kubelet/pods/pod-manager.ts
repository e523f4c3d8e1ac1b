import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { Change } from '../../client/informer.ts';
import type { Runtime } from '../runtimes/runtime.ts';
import type { PodServices } from './pod-services.ts';
import { PodWorker } from './pod-worker.ts';

/** The pods of one node: a worker for each, by uid. */
export class PodManager implements AsyncDisposable {
  readonly #services: PodServices;
  readonly #workers = new Map<string, PodWorker>();
  readonly #subscriptions: Disposable[];

  constructor(services: PodServices, runtimes: readonly Runtime[]) {
    this.#services = services;
    this.#subscriptions = runtimes.map((runtime) =>
      runtime.subscribe(({ podUid }) => this.#workers.get(podUid)?.wake()),
    );
  }

  /** The pods with their status as the node knows it. */
  pods(): Pod[] {
    return [...this.#workers.values()].map((worker) => worker.pod);
  }

  /** The newest pod of that name: one that is ending may still have its name. */
  find(namespace: string, name: string): PodWorker | undefined {
    const found = [...this.#workers.values()].filter(
      ({ pod }) => pod.metadata?.namespace === namespace && pod.metadata.name === name,
    );
    return found.at(-1);
  }

  workers(): readonly PodWorker[] {
    return [...this.#workers.values()];
  }

  /** What the informer tells. */
  apply({ type, object }: Change<Pod>): void {
    const uid = object.metadata?.uid ?? '';
    const worker = this.#workers.get(uid);
    if (type === 'deleted') worker?.remove();
    else if (worker) worker.update(object);
    else this.#start(object);
  }

  /** Ends what runtimes still have of pods that no longer exist. Called once, when all pods are known. */
  async removeOrphans(runtimes: readonly Runtime[]): Promise<void> {
    for (const runtime of runtimes) {
      for (const { id, pod } of runtime.listSandboxes()) {
        if (this.#workers.has(pod.uid)) continue;
        this.#services.log.info('Removing a pod that no longer exists', { pod: pod.name, uid: pod.uid });
        await runtime.removeSandbox(id);
      }
    }
  }

  async stopAll(graceMs: number): Promise<void> {
    await Promise.all(this.workers().map((worker) => worker.stopContainers(graceMs)));
  }

  /** Lets all pods go, without stopping their containers. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    await Promise.all(this.workers().map((worker) => worker.release()));
    this.#workers.clear();
  }

  #start(pod: Pod): void {
    const worker = new PodWorker(pod, this.#services);
    this.#workers.set(worker.uid, worker);
    void worker.ended.then(() => {
      if (this.#workers.get(worker.uid) === worker) this.#workers.delete(worker.uid);
    });
  }
}
