import type { Endpoints } from '../../api/kubernetes/core-v1.ts';
import { prefixEnd, type Store, StoreError } from '../../storage/store.ts';

const prefix = '/registry/masterleases/';
/** Renewed every 10 s: a server that has died is out of the list before it misses a second time. */
const ttlSeconds = 15;

/**
 * Which API servers of this store are alive: a key with a lease for each, in upstream's layout.
 * Source: k8s.io/kubernetes `pkg/controlplane/reconcilers/lease.go`.
 */
export class MasterLeases {
  readonly #store: Store;
  readonly #address: string;
  #renewals = 0;

  constructor(store: Store, address: string) {
    this.#store = store;
    this.#address = address;
  }

  /** Says that this server is alive, for 15 seconds. */
  async renew(): Promise<void> {
    const lease = await this.#store.grantLease(ttlSeconds);
    const value: Endpoints = {
      kind: 'Endpoints',
      apiVersion: 'v1',
      // Counted up, so that each renewal is a change to those who watch.
      metadata: { generation: ++this.#renewals },
      subsets: [{ addresses: [{ ip: this.#address }] }],
    };
    await this.#store.put(prefix + this.#address, Buffer.from(JSON.stringify(value)), { leaseId: lease.id });
  }

  /** The addresses of all servers that are alive, in byte order. */
  async addresses(): Promise<string[]> {
    const { entries } = await this.#store.range({ start: prefix, end: prefixEnd(prefix) });
    return entries.map(({ key }) => key.slice(prefix.length));
  }

  /** This server goes. */
  async remove(): Promise<void> {
    try {
      await this.#store.delete(prefix + this.#address);
    } catch (error) {
      if (!(error instanceof StoreError) || error.reason !== 'NotFound') throw error;
    }
  }
}
