import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { PodManager } from '../pods/pod-manager.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { ContainerInstance, Runtime } from '../runtimes/runtime.ts';

/** What the kubelet's endpoints show and act on. */
export interface KubeletApi {
  readonly nodeName: string;
  readonly manager: PodManager;
  readonly runtimes: readonly Runtime[];
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly dataDirectory: string | undefined;
  readonly startedAtMs: number;
  /** The `KubeletConfiguration` that `/configz` shows. */
  readonly configuration: Readonly<Record<string, unknown>>;
  /** By check name; an error says what is wrong. */
  readonly healthChecks: Readonly<Record<string, () => Error | undefined>>;
  /** How many nanocores each container used lately, by container id. */
  readonly usage: UsageRates;
}

export interface UsageRates {
  /** CPU use since the last call for `id`. */
  rate(id: string, sample: { cpuNanos: number; atMs: number }): number;
}

/** An answer that is no success: plain text, as kubelets answer. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** `{ns}/{pod}/{container}` or, with a uid in between, `{ns}/{pod}/{uid}/{container}`. @throws {HttpError} */
export function findContainer(
  api: KubeletApi,
  path: readonly string[],
): { worker: PodWorker; name: string; instance: ContainerInstance } {
  const [namespace = '', podName = '', ...rest] = path;
  const name = rest.at(-1) ?? '';
  const worker = findPod(api, namespace, podName, rest.length > 1 ? rest[0] : undefined);
  const instance = newestInstance(worker, name);
  if (instance?.state.phase !== 'running') {
    throw new HttpError(404, `container not found ("${name}")`);
  }
  return { worker, name, instance };
}

export function findPod(api: KubeletApi, namespace: string, name: string, uid?: string): PodWorker {
  const worker = api.manager.find(namespace, name);
  if (!worker || (uid !== undefined && worker.uid !== uid)) throw new HttpError(404, 'pod does not exist');
  return worker;
}

export function newestInstance(worker: PodWorker, name: string): ContainerInstance | undefined {
  return instancesOf(worker, name)[0];
}

/** Newest first. */
export function instancesOf(worker: PodWorker, name: string): ContainerInstance[] {
  return worker.runtime
    .listContainers()
    .filter((instance) => instance.podUid === worker.uid && instance.name === name)
    .sort((a, b) => b.attempt - a.attempt);
}

export function namesContainer({ spec }: Pod, name: string): boolean {
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? []), ...(spec?.ephemeralContainers ?? [])];
  return all.some((container) => container.name === name);
}
