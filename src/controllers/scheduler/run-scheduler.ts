import { ApiError } from '../../api/errors.ts';
import type { Namespace, Node, Pod, PodCondition } from '../../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../../api/object.ts';
import type { ApiClient } from '../../client/client.ts';
import { EventRecorder } from '../../client/event-recorder.ts';
import { Informer } from '../../client/informer.ts';
import { keyOf } from '../../client/object-index.ts';
import { namespaces, nodes, pods } from '../../client/resources.ts';
import { type Clock, formatTime, systemClock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/error-message.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { findCondition } from '../conditions.ts';
import { isPodFinished } from '../pod-state.ts';
import { chooseNode } from './choose-node.ts';
import { ClusterState } from './cluster-state.ts';
import { PodQueue } from './pod-queue.ts';

export interface SchedulerOptions {
  /** With the rights of `system:kube-scheduler`. Ended with the scheduler. */
  readonly client: ApiClient;
  /** Pods that ask for another scheduler are left alone. @default 'default-scheduler' */
  readonly schedulerName?: string;
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly metrics?: Metrics;
}

export interface RunningScheduler extends AsyncDisposable {
  readonly ready: Promise<void>;
}

/** Bindings under way; the next pod is placed while earlier ones are written. */
const maxBinding = 16;

/** Gives each pod without a node the one that suits it best, and says why where there is none. */
export function runScheduler(options: SchedulerOptions): RunningScheduler {
  return new Scheduler(options);
}

class Scheduler implements RunningScheduler {
  readonly ready: Promise<void>;
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #schedulerName: string;
  readonly #events: EventRecorder;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #namespaces: Informer<Namespace>;
  readonly #state = new ClusterState();
  readonly #queue = new PodQueue();
  readonly #writing = new Set<Promise<void>>();
  readonly #controller = new AbortController();
  readonly #attempts: ReturnType<Metrics['counter']>;
  #timer: NodeJS.Timeout | undefined;
  #started = false;

  constructor({ client, schedulerName = 'default-scheduler', clock = systemClock, ...rest }: SchedulerOptions) {
    const { log = silentLogger, metrics = new Metrics() } = rest;
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
    this.#schedulerName = schedulerName;
    this.#events = new EventRecorder({ client, component: schedulerName, clock, log });
    this.#attempts = metrics.counter({
      name: 'scheduler_schedule_attempts_total',
      help: 'Number of attempts to schedule pods, by the result.',
      labels: ['result', 'profile'],
    });
    metrics.gauge({
      name: 'scheduler_pending_pods',
      help: 'Number of pending pods.',
      collect: (gauge) => gauge.set(this.#queue.size),
    });
    this.#nodes = new Informer<Node>({ client, resource: nodes, log });
    this.#namespaces = new Informer<Namespace>({ client, resource: namespaces, metadataOnly: true, log });
    this.#pods = new Informer<Pod>({
      client,
      resource: pods,
      fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
      log,
    });
    this.#nodes.subscribe(({ type, object, ...change }) => {
      const moved = this.#state.changeNode(type, object, 'previous' in change ? change.previous : undefined);
      if (moved) this.#wake();
    });
    this.#pods.subscribe((change) => this.#onPod(change.type, change.object));
    this.ready = Promise.all([this.#nodes.synced, this.#namespaces.synced, this.#pods.synced]).then(() => {
      this.#started = true;
      this.#schedule();
    });
    this.ready.catch(() => {}); // Nobody has to await it.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort(new Error('The scheduler was stopped'));
    clearTimeout(this.#timer);
    const owned = [this.#pods, this.#nodes, this.#namespaces, this.#events];
    await Promise.all(owned.map((one) => one[Symbol.asyncDispose]()));
    await Promise.all(this.#writing);
    await this.#client[Symbol.asyncDispose]();
  }

  #onPod(type: 'added' | 'updated' | 'deleted', pod: Pod): void {
    const uid = pod.metadata?.uid ?? '';
    if (type === 'deleted' || isPodFinished(pod)) {
      this.#queue.delete(uid);
      if (this.#state.removePod(uid)) this.#wake();
    } else if (pod.spec?.nodeName) {
      this.#queue.delete(uid);
      if (this.#state.setPod(pod, pod.spec.nodeName)) this.#wake(); // A new pod may be what another one wants beside it.
    } else if (this.#isOurs(pod)) {
      if (this.#state.isAssumed(uid)) return;
      // Our own note on the pod that it does not fit is no reason to look again.
      if (this.#queue.has(uid) && type === 'updated' && !this.#hasNewSpec(pod)) this.#queue.refresh(pod);
      else this.#queue.add(pod);
      this.#schedule();
    } else this.#queue.delete(uid);
  }

  readonly #seenGenerations = new Map<string, string>();

  #hasNewSpec({ metadata, spec }: Pod): boolean {
    const uid = metadata?.uid ?? '';
    const now = `${metadata?.generation}/${JSON.stringify(metadata?.labels ?? {})}/${spec?.schedulingGates?.length ?? 0}`;
    return this.#seenGenerations.get(uid) !== now;
  }

  #isOurs({ metadata, spec }: Pod): boolean {
    if (metadata?.deletionTimestamp || (spec?.schedulingGates ?? []).length > 0) return false;
    return (spec?.schedulerName ?? 'default-scheduler') === this.#schedulerName;
  }

  #wake(): void {
    this.#queue.wakeAll();
    this.#schedule();
  }

  #schedule(): void {
    if (!this.#started || this.#controller.signal.aborted) return;
    clearTimeout(this.#timer);
    while (this.#writing.size < maxBinding) {
      const next = this.#queue.take(this.#clock.now());
      if (!next) return;
      if ('waitMs' in next) {
        this.#timer = setTimeout(() => this.#schedule(), next.waitMs);
        this.#timer.unref();
        return;
      }
      const writing = this.#place(next.pod, next.attempts).finally(() => {
        this.#writing.delete(writing);
        this.#schedule();
      });
      this.#writing.add(writing);
    }
  }

  async #place(pod: Pod, attempts: number): Promise<void> {
    const { metadata, spec } = pod;
    const uid = metadata?.uid ?? '';
    const labelsOf = (namespace: string) => this.#namespaces.get(namespace)?.metadata?.labels;
    const choice = chooseNode(pod, this.#state.nodes, labelsOf);
    const profile = this.#schedulerName;
    if ('message' in choice) {
      this.#attempts.inc({ result: 'unschedulable', profile });
      this.#seenGenerations.set(
        uid,
        `${metadata?.generation}/${JSON.stringify(metadata?.labels ?? {})}/${spec?.schedulingGates?.length ?? 0}`,
      );
      this.#queue.park(pod, attempts, this.#clock.now());
      await this.#sayUnschedulable(pod, choice.message);
      return;
    }
    this.#seenGenerations.delete(uid);
    this.#state.assumePod(pod, choice.node);
    try {
      await this.#bind(pod, choice.node);
      this.#attempts.inc({ result: 'scheduled', profile });
      const message = `Successfully assigned ${keyOf(pod)} to ${choice.node}`;
      this.#record(pod, { type: 'Normal', reason: 'Scheduled', message });
    } catch (error) {
      this.#state.removePod(uid);
      if (this.#controller.signal.aborted) return;
      this.#attempts.inc({ result: 'error', profile });
      if (error instanceof ApiError && (error.code === 404 || error.code === 409)) {
        this.#log.debug('Pod is gone or bound already', { pod: keyOf(pod), error });
        const present = this.#pods.get(keyOf(pod));
        if (present && present.metadata?.uid === uid && !present.spec?.nodeName) this.#retry(present, attempts);
        return;
      }
      this.#log.warn('Cannot bind a pod', { pod: keyOf(pod), node: choice.node, error });
      this.#record(pod, { type: 'Warning', reason: 'FailedScheduling', message: messageOf(error) });
      this.#retry(pod, attempts);
    }
  }

  /** Failed by no fault of the cluster's state: worth another try after the back-off. */
  #retry(pod: Pod, attempts: number): void {
    this.#queue.park(pod, attempts, this.#clock.now());
    this.#queue.wakeAll();
  }

  async #bind({ metadata }: Pod, node: string): Promise<void> {
    const { namespace = '', name = '', uid = '' } = metadata ?? {};
    const binding: KubeObject & { target: object } = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, namespace, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    const { signal } = this.#controller;
    await this.#client.create(pods, binding, { namespace, name, subresource: 'binding', signal });
  }

  async #sayUnschedulable(pod: Pod, message: string): Promise<void> {
    const known = findCondition(pod.status?.conditions, 'PodScheduled');
    this.#record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
    if (known?.status === 'False' && known.message === message) return;
    const condition: PodCondition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: known?.status === 'False' ? known.lastTransitionTime : formatTime(this.#clock.now()),
    } as PodCondition; // lastTransitionTime is a string in both cases
    const { namespace = '', name = '', uid } = pod.metadata ?? {};
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    const type = 'application/strategic-merge-patch+json';
    const { signal } = this.#controller;
    try {
      await this.#client.patch(pods, { namespace, name, subresource: 'status' }, patch, { type, signal });
    } catch (error) {
      if (!signal.aborted) this.#log.debug('Cannot note that a pod is unschedulable', { pod: keyOf(pod), error });
    }
  }

  #record(pod: Pod, text: Parameters<EventRecorder['record']>[1]): void {
    this.#events.record({ ...pod, apiVersion: 'v1', kind: 'Pod' }, text);
  }
}
