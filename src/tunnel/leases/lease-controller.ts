import { ApiError } from '../../api/errors.ts';
import type { Lease } from '../../api/kubernetes/coordination-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { leases } from '../../client/resources.ts';
import { TaskGroup } from '../../lib/async.ts';
import { type Clock, formatMicroTime, systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Counter, Metrics } from '../../lib/metrics.ts';
import { type CallCounter, callCounter } from './lease-metrics.ts';
import { agentAddressAnnotation, isLeaseValid } from './lease-validity.ts';

export interface LeaseControllerOptions {
  readonly client: ApiClient;
  readonly serverId: string;
  readonly namespace: string;
  /** On the lease; expired leases with the same ones are deleted. */
  readonly labels: Readonly<Record<string, string>>;
  /** `host:port` where agents reach this server; agents of ours then need no load balancer. */
  readonly agentAddress?: string;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly clock?: Clock;
}

const leaseDurationSeconds = 30;
const renewIntervalMs = 15_000;
const renewJitter = 0.04;
const collectIntervalMs = 15_000;
const maxUpdateTries = 5;
const firstRetryMs = 100;
const maxRetryMs = 7_000;
const releaseTimeoutMs = 5_000;
const prefix = 'konnectivity_network_proxy_server_';

/**
 * Keeps this server's lease, by which agents count and find servers, and deletes leases of servers that have gone.
 * Names, times and labels are upstream's. Starts at once.
 */
export class LeaseController implements AsyncDisposable {
  readonly #options: LeaseControllerOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #name: string;
  readonly #selector: string;
  readonly #tasks: TaskGroup;
  readonly #lists: CallCounter;
  readonly #deletes: CallCounter;
  readonly #culled: Counter;
  #lease: Lease | undefined;
  #released: Promise<void> | undefined;

  constructor(options: LeaseControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#name = `konnectivity-proxy-server-${options.serverId}`;
    this.#log = options.log.with({ lease: `${options.namespace}/${this.#name}` });
    this.#selector = Object.entries(options.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    const names = (call: string) => ({
      total: `${prefix}lease_${call}_total`,
      latency: `${prefix}lease_${call}_latency_seconds`,
      what: `lease ${call}`,
      codeLabel: 'http_status_code' as const,
    });
    this.#lists = callCounter(options.metrics, names('list'));
    this.#deletes = callCounter(options.metrics, names('delete'));
    this.#culled = options.metrics.counter({
      name: `${prefix}culled_leases_count`,
      help: 'Number of expired leases deleted by the garbage collector',
    });
    this.#tasks = new TaskGroup({ onError: (error) => this.#log.error('Lease upkeep failed', { error }) });
    this.#tasks.run((signal) => this.#renew(signal));
    this.#tasks.run((signal) => this.#collect(signal));
  }

  /** Stops the upkeep and deletes the lease, so that agents stop looking for this server. */
  release(): Promise<void> {
    this.#released ??= this.#stop();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  async #stop(): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
    if (!this.#lease) return;
    this.#lease = undefined;
    const { client, namespace } = this.#options;
    try {
      const ref = { namespace, name: this.#name };
      await this.#deletes.observe(() => client.delete(leases, ref, { timeoutMs: releaseTimeoutMs }));
    } catch (error) {
      if (!isNotFound(error)) this.#log.warn('Cannot delete the lease of this server', { error });
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    let retryMs = firstRetryMs;
    while (!signal.aborted) {
      let waitMs = renewIntervalMs * (1 + Math.random() * renewJitter);
      try {
        await this.#upsert(signal);
        retryMs = firstRetryMs;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.warn('Cannot renew the lease of this server', { error });
        waitMs = retryMs * (1 + Math.random() * renewJitter);
        retryMs = Math.min(maxRetryMs, retryMs * 2);
      }
      await this.#rest(waitMs, signal);
    }
  }

  /** Updates the lease as we know it; where somebody else changed it, as it is now; creates it where it is gone. */
  async #upsert(signal: AbortSignal): Promise<void> {
    const { client, namespace } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        if (!this.#lease) {
          const found = await client
            .get<Lease>(leases, { namespace, name: this.#name }, { signal })
            .catch((error: unknown) => {
              if (isNotFound(error)) return undefined;
              throw error;
            });
          this.#lease = found ?? (await client.create<Lease>(leases, this.#desired({}), { namespace, signal }));
          if (!found) return;
        }
        this.#lease = await client.update<Lease>(leases, this.#desired(this.#lease), { signal });
        return;
      } catch (error) {
        this.#lease = undefined;
        const changed = error instanceof ApiError && ['Conflict', 'NotFound', 'AlreadyExists'].includes(error.reason);
        if (!changed || attempt >= maxUpdateTries) throw error;
      }
    }
  }

  #desired({ metadata, spec }: Lease): Lease {
    const { namespace, labels, serverId, agentAddress } = this.#options;
    const annotations = {
      ...metadata?.annotations,
      ...(agentAddress !== undefined && { [agentAddressAnnotation]: agentAddress }),
    };
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        ...metadata,
        name: this.#name,
        namespace,
        labels: { ...metadata?.labels, ...labels },
        ...(Object.keys(annotations).length > 0 && { annotations }),
      },
      spec: {
        ...spec,
        holderIdentity: serverId,
        leaseDurationSeconds,
        renewTime: formatMicroTime(this.#clock.now()),
      },
    };
  }

  async #collect(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#rest(collectIntervalMs, signal);
      if (signal.aborted) return;
      await this.#collectOnce(signal).catch((error: unknown) => {
        if (!signal.aborted) this.#log.warn('Cannot look for expired leases', { error });
      });
    }
  }

  async #collectOnce(signal: AbortSignal): Promise<void> {
    const { client, namespace } = this.#options;
    const { items } = await this.#lists.observe(() =>
      client.list<Lease>(leases, { namespace, labelSelector: this.#selector, signal }),
    );
    for (const lease of items) {
      if (isLeaseValid(lease, this.#clock.now())) continue;
      const { name = '', resourceVersion } = lease.metadata ?? {};
      // Who renews it meanwhile keeps it.
      const preconditions = resourceVersion === undefined ? {} : { preconditions: { resourceVersion } };
      try {
        await this.#deletes.observe(() => client.delete(leases, { namespace, name }, { signal, ...preconditions }));
        this.#culled.inc();
        this.#log.info('Deleted an expired lease', { expired: name });
      } catch (error) {
        const settled = isNotFound(error) || (error instanceof ApiError && error.reason === 'Conflict');
        if (!settled) throw error;
      }
    }
  }

  /** Ends early, and without an error, when the controller stops. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    await this.#clock.delay(ms, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'NotFound';
}
