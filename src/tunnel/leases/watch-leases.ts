import type { Lease } from '../../api/kubernetes/coordination-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { Informer } from '../../client/informer.ts';
import { leases } from '../../client/resources.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { countLeaseCalls } from './counted-lease-client.ts';
import { LeaseCounter } from './lease-counter.ts';

export interface WatchLeasesOptions {
  readonly client: ApiClient;
  readonly namespace: string;
  /** A label selector; empty selects every lease of the namespace. */
  readonly selector: string;
  /** Counts calls by the agent's names of metrics. @default they are not counted */
  readonly metrics?: Metrics;
  readonly log: Logger;
}

export interface WatchedLeases extends AsyncDisposable {
  readonly counter: LeaseCounter;
  /** Resolves with the first list. */
  readonly synced: Promise<void>;
  /** Calls back when leases come, change or go. */
  subscribe(listener: () => void): void;
}

/** Follows the leases of servers. */
export function watchLeases({ client, namespace, selector, metrics, log }: WatchLeasesOptions): WatchedLeases {
  const informer = new Informer<Lease>({
    client: metrics ? countLeaseCalls(client, metrics) : client,
    resource: leases,
    namespace,
    ...(selector !== '' && { labelSelector: selector }),
    log,
  });
  const counter = new LeaseCounter({
    log,
    list: () => {
      if (!informer.hasSynced) throw new Error('The leases have not been read yet');
      return informer.values();
    },
  });
  return {
    counter,
    synced: informer.synced,
    subscribe: (listener) => {
      informer.subscribe(listener);
      informer.synced.then(listener, () => {}); // closed before
    },
    [Symbol.asyncDispose]: () => informer[Symbol.asyncDispose](),
  };
}
