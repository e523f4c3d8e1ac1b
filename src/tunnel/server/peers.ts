import type { Logger } from '../../lib/log.ts';
import type { Counter, Metrics } from '../../lib/metrics.ts';
import { formatServerAddress, type ServerAddress } from '../leases/lease-validity.ts';
import type { SlowReaders } from '../native/slow-readers.ts';
import type { TunnelStream } from '../tunnel-stream.ts';
import type { TunnelDial } from './dialer.ts';
import { type PeerCredentials, PeerLink, PeerUnavailable } from './peers-link.ts';

/** Other servers, whose agents take the dials for which this one has none. */
export interface PeersConfig {
  /** Where their ports for agents are, as known now. This server itself may be among them. */
  readonly addresses: () => readonly ServerAddress[];
  /** Read at each connect, so that renewed certificates are used. */
  readonly credentials: () => PeerCredentials;
}

export interface PeersOptions {
  readonly serverId: string;
  readonly slowReaders: SlowReaders;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Passes dials on to servers that have an agent for them, each server over one connection. */
export class Peers implements Disposable {
  readonly #config: PeersConfig;
  readonly #options: PeersOptions;
  readonly #links = new Map<string, PeerLink>();
  readonly #forwarded: Counter;
  #connections = 0;

  constructor(config: PeersConfig, options: PeersOptions) {
    this.#config = config;
    this.#options = options;
    this.#forwarded = options.metrics.counter({
      name: 'konnectivity_network_proxy_server_forwarded_dials_total',
      help: 'Dials that were passed on to another server because no agent was here, by result',
      labels: ['result'],
    });
  }

  /** Open connections through other servers' agents. */
  get connections(): number {
    return this.#connections;
  }

  /** Through the first server that has an agent; `undefined` where none has. @throws {DialError} of the agent that was asked */
  async dial(dial: TunnelDial): Promise<TunnelStream | undefined> {
    for (const link of this.#present()) {
      try {
        const tunnel = await link.dial(dial);
        this.#forwarded.inc({ result: 'connected' });
        this.#connections++;
        tunnel.once('close', () => this.#connections--);
        return tunnel;
      } catch (error) {
        if (!(error instanceof PeerUnavailable)) {
          this.#forwarded.inc({ result: 'failed' });
          throw error;
        }
        this.#options.log.debug('Another server cannot take a dial', { address: dial.address, error });
      }
    }
    this.#forwarded.inc({ result: 'no_agent' });
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const link of this.#links.values()) link[Symbol.dispose]();
    this.#links.clear();
  }

  #present(): PeerLink[] {
    const addresses = new Map(this.#config.addresses().map((address) => [formatServerAddress(address), address]));
    for (const [key, link] of this.#links) {
      if (addresses.has(key)) continue;
      this.#links.delete(key);
      link.retire(); // a server that drains deletes its lease first
    }
    const { serverId, slowReaders } = this.#options;
    for (const [key, address] of addresses) {
      if (this.#links.has(key)) continue;
      this.#links.set(key, new PeerLink({ address, serverId, slowReaders, credentials: this.#config.credentials }));
    }
    return [...this.#links.values()];
  }
}
