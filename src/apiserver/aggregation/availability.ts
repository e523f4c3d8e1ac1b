import type { APIService, APIServiceCondition } from '../../api/kubernetes/apiregistration-v1.ts';
import type { KubeObject } from '../../api/object.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { TaskGroup } from '../../lib/async.ts';
import { type Clock, formatTime } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { apiServicesResource } from './api-service-names.ts';
import type { Verdict } from './check-api.ts';
import type { RemoteApi } from './remote-api.ts';

const resyncMs = 30_000;
const firstRetryMs = 250;

export interface AvailabilityOptions {
  readonly find: (name: string) => RemoteApi | undefined;
  readonly all: () => Iterable<RemoteApi>;
  readonly check: (api: RemoteApi, signal: AbortSignal) => Promise<Verdict>;
  /** Called after each check. */
  readonly checked: (api: RemoteApi, verdict: Verdict, signal: AbortSignal) => Promise<void>;
  readonly objects: ObjectSource;
  readonly internal: InternalObjects;
  readonly tasks: TaskGroup;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/**
 * Keeps the `Available` condition of each APIService that has a Service: checks it when it, its Service or the endpoints change, and at least every
 * 30 s; one that failed sooner.
 */
export class Availability implements Disposable {
  readonly #options: AvailabilityOptions;
  /** A loop for each API; calling it checks at once. */
  readonly #loops = new Map<string, () => void>();
  readonly #subscriptions: Disposable[];
  readonly #unavailable;
  readonly #unavailableTotal;

  constructor(options: AvailabilityOptions) {
    this.#options = options;
    const { objects, metrics } = options;
    this.#unavailable = metrics.gauge({
      name: 'aggregator_unavailable_apiservice',
      help: 'Gauge of APIServices which are marked as unavailable broken down by APIService name.',
      labels: ['name'],
    });
    this.#unavailableTotal = metrics.counter({
      name: 'aggregator_unavailable_apiservice_total',
      help: 'Counter of APIServices which are marked as unavailable broken down by APIService name and reason.',
      labels: ['name', 'reason'],
    });
    this.#subscriptions = [
      objects.subscribe('services', ({ before, after }) => this.#serviceChanged(after ?? before, 'name')),
      objects.subscribe('endpointslices.discovery.k8s.io', ({ before, after }) =>
        this.#serviceChanged(after ?? before, 'label'),
      ),
    ];
    for (const { name } of options.all()) this.check(name);
  }

  /** Checks soon; again where a check is under way. */
  check(name: string): void {
    const wake = this.#loops.get(name);
    if (wake) {
      wake();
      return;
    }
    const loop = { wanted: true, wake: undefined as (() => void) | undefined };
    this.#loops.set(name, () => {
      loop.wanted = true;
      loop.wake?.();
    });
    this.#options.tasks.run(async (signal) => {
      try {
        await this.#watch(name, loop, signal);
      } finally {
        this.#loops.delete(name);
      }
      if (loop.wanted && !signal.aborted && this.#options.find(name)) this.check(name); // there again before the loop had ended
    });
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #serviceChanged(object: KubeObject | undefined, by: 'name' | 'label'): void {
    const { metadata } = object ?? {};
    const name = by === 'name' ? metadata?.name : metadata?.labels?.['kubernetes.io/service-name'];
    for (const api of this.#options.all()) {
      if (api.service.name === name && api.service.namespace === metadata?.namespace) this.check(api.name);
    }
  }

  async #watch(
    name: string,
    loop: { wanted: boolean; wake: (() => void) | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const { find, check, checked, clock, log } = this.#options;
    let failures = 0;
    for (let api = find(name); api && !signal.aborted; api = find(name)) {
      loop.wanted = false;
      const verdict = await check(api, signal);
      if (signal.aborted) return;
      failures = verdict.available ? 0 : failures + 1;
      if (find(name)?.uid === api.uid) {
        await checked(api, verdict, signal);
        await this.#record(api, verdict).catch((error: unknown) =>
          log.warn('Status of an APIService not written', { name, error }),
        );
      }
      if (loop.wanted) continue;
      const delayMs = failures === 0 ? resyncMs : Math.min(resyncMs, firstRetryMs * 2 ** (failures - 1));
      const waiting = new AbortController();
      const stop = () => waiting.abort();
      signal.addEventListener('abort', stop, { once: true });
      loop.wake = stop;
      await clock.delay(delayMs, { signal: waiting.signal }).catch(() => {}); // woken, or at the end
      loop.wake = undefined;
      signal.removeEventListener('abort', stop);
    }
    this.#unavailable.remove({ name });
  }

  /** Writes the condition, where it says something else than before. */
  async #record({ name, available: before }: RemoteApi, { available, reason, message }: Verdict): Promise<void> {
    const { internal, clock, log } = this.#options;
    this.#unavailable.set({ name }, available ? 0 : 1);
    const status = available ? 'True' : 'False';
    if (before?.status === status && before.reason === reason && before.message === message) return;
    if (!available) this.#unavailableTotal.inc({ name, reason });
    if (before?.status !== status) log.info('Availability of an API changes', { name, available, reason, message });
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : undefined;
    const condition: APIServiceCondition = {
      type: 'Available',
      status,
      lastTransitionTime: lastTransitionTime ?? formatTime(clock.now()),
      reason,
      message,
    };
    await internal.updateStatus<APIService>(apiServicesResource, { namespace: '', name }, (object) => {
      const others = (object.status?.conditions ?? []).filter(({ type }) => type !== 'Available');
      return { ...object, status: { ...object.status, conditions: [...others, condition] } };
    });
  }
}
