import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { formatServerAddress } from '../leases/lease-validity.ts';
import { QueueBudget } from '../queue-budget.ts';
import type { AgentConfig, AgentServer } from './agent-config.ts';
import type { AgentConnection } from './agent-connection.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { openServerLink } from './server-link.ts';
import { type SeekOutcome, ServerSeeker } from './server-seeker.ts';

export type { AgentConfig } from './agent-config.ts';

export interface KonnectivityAgentOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Hears when a server was connected or lost. */
  readonly onServersChange?: () => void;
}

/** After so many failures in a row an address counts as out of reach. */
const unreachableFailures = 3;

/** An agent of the Konnectivity service: holds a connection to each server and dials targets for them. Works with upstream's servers. */
export class KonnectivityAgent implements AsyncDisposable {
  readonly #config: AgentConfig;
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #onServersChange: () => void;
  readonly #budget: QueueBudget;
  readonly #connections = new Map<string, AgentConnection>();
  /** Which look found a connection. */
  readonly #finders = new Map<AgentConnection, ServerSeeker>();
  /** Which server was connected already when a look found it. */
  readonly #leadsTo = new Map<ServerSeeker, string>();
  /** By address, for servers that are reached one by one. */
  readonly #seekers = new Map<string, ServerSeeker>();
  /** Looks for servers that have no known address of their own. */
  readonly #balancer: ServerSeeker;
  readonly #endings = new Set<Promise<void>>();
  #stopped = false;
  #announced = 1;
  #draining = false;

  /** Connects at once, and again whenever a server is lost. */
  constructor(config: AgentConfig, { log, metrics, onServersChange = () => {} }: KonnectivityAgentOptions) {
    this.#config = config;
    this.#onServersChange = onServersChange;
    this.#log = log.with({ agentId: config.agentId });
    this.#metrics = new AgentMetrics(metrics);
    this.#budget = new QueueBudget(config.queues);
    this.#metrics.knownServerCount.set(this.#wanted());
    this.#balancer = this.#seekAt(config.server, (signal) => {
      this.recount();
      return this.#balancerIsIdle() ? Promise.resolve('idle') : this.#connect(this.#balancer, signal);
    });
    this.recount();
  }

  /** Whether a server is connected. */
  get ready(): boolean {
    return this.#connections.size > 0;
  }

  /** The ids of the connected servers. */
  servers(): string[] {
    return [...this.#connections.keys()];
  }

  /** Connections to targets, dials included. */
  get connections(): number {
    return [...this.#connections.values()].reduce((sum, connection) => sum + connection.connections, 0);
  }

  /** Asks every server to dial through other agents and looks for no new servers. What is open goes on. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#log.info('Draining', { connections: this.connections });
    for (const connection of this.#connections.values()) connection.drain();
  }

  /** Looks at once how many servers there are and where: what `addresses` or `wantedServers` say has changed. */
  recount(): void {
    if (this.#stopped) return;
    this.#metrics.knownServerCount.set(this.#wanted());
    const addresses = new Map(
      (this.#config.addresses?.() ?? []).map((server) => [formatServerAddress(server), server]),
    );
    for (const [key, server] of addresses) {
      if (this.#seekers.has(key)) continue;
      const seeker: ServerSeeker = this.#seekAt(server, (signal) =>
        this.#draining || this.#isServed(seeker) ? Promise.resolve('idle') : this.#connect(seeker, signal),
      );
      this.#seekers.set(key, seeker);
    }
    for (const [key, seeker] of this.#seekers) {
      if (addresses.has(key)) continue;
      this.#seekers.delete(key);
      this.#leadsTo.delete(seeker);
      this.#end(seeker); // what it found stays until its server ends it
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    for (const seeker of [this.#balancer, ...this.#seekers.values()]) this.#end(seeker);
    for (const connection of [...this.#connections.values()]) connection.close();
    await Promise.all(this.#endings);
  }

  #seekAt(server: AgentServer, seek: (signal: AbortSignal) => Promise<SeekOutcome>): ServerSeeker {
    const { syncIntervalMs = 1000, syncIntervalCapMs = 3000 } = this.#config;
    const place = formatServerAddress(server);
    return new ServerSeeker({
      server,
      // The first look is taken when the seeker is known to its owner.
      seek: async (signal) => {
        await Promise.resolve();
        return seek(signal);
      },
      patience: () => (this.#connections.size < this.#wanted() ? 3 * this.#wanted() : 0),
      onFailure: (error, failures) => {
        const fields = { server: place, failures, error };
        if (failures === 1 || failures % 10 === 0) this.#log.warn('Cannot connect to the server', fields);
        else this.#log.debug('Cannot connect to the server', fields);
      },
      intervalMs: syncIntervalMs,
      capMs: syncIntervalCapMs,
    });
  }

  #end(seeker: ServerSeeker): void {
    const ending: Promise<void> = seeker[Symbol.asyncDispose]().finally(() => this.#endings.delete(ending));
    this.#endings.add(ending);
  }

  /** Whether all servers have addresses of their own that can be reached, or as many as have none are connected. */
  #balancerIsIdle(): boolean {
    if (this.#draining) return true;
    // An address that cannot be reached from here may lead to a server that can be reached the other way.
    const reachable = [...this.#seekers.values()].filter(
      (seeker) => this.#isServed(seeker) || seeker.failures < unreachableFailures,
    );
    const others = this.#wanted() - reachable.length;
    if (reachable.length > 0 && others <= 0) return true;
    return !this.#config.syncForever && this.#foundBy(this.#balancer) >= others;
  }

  #isServed(seeker: ServerSeeker): boolean {
    return this.#foundBy(seeker) > 0 || this.#connections.has(this.#leadsTo.get(seeker) ?? '');
  }

  #foundBy(seeker: ServerSeeker): number {
    return [...this.#finders.values()].filter((finder) => finder === seeker).length;
  }

  async #connect(seeker: ServerSeeker, signal: AbortSignal): Promise<SeekOutcome> {
    const link = await openServerLink({ ...this.#config, server: seeker.server }, signal, (id) =>
      this.#connections.has(id),
    );
    if (this.#connections.has(link.serverId) || signal.aborted) {
      this.#leadsTo.set(seeker, link.serverId);
      link.discard();
      return 'duplicate';
    }
    this.#announced = Math.max(1, link.serverCount);
    const connection = link.serve({
      budget: this.#budget,
      metrics: this.#metrics,
      log: this.#log,
      onEnd: (ended, error) => this.#ended(ended, error),
      onServerDraining: ({ serverId }) => {
        this.#log.info('Server drains', { serverId });
        for (const other of [this.#balancer, ...this.#seekers.values()]) other.wake();
      },
    });
    if (connection.over) throw new Error('the connection ended when it was just made');
    this.#connections.set(link.serverId, connection);
    this.#finders.set(connection, seeker);
    this.#metrics.openServerConnections.set(this.#connections.size);
    this.#metrics.knownServerCount.set(this.#wanted());
    this.#log.info('Connected', { serverId: link.serverId, servers: this.#connections.size });
    if (this.#draining) connection.drain();
    this.#onServersChange();
    return 'added';
  }

  #ended(connection: AgentConnection, error: Error | undefined): void {
    if (this.#connections.get(connection.serverId) !== connection) return;
    this.#connections.delete(connection.serverId);
    this.#finders.delete(connection);
    this.#metrics.openServerConnections.set(this.#connections.size);
    this.#onServersChange();
    if (this.#stopped) return;
    this.#log.warn('Lost a server', { serverId: connection.serverId, ...(error && { error: error.message }) });
    // Any of them may lead to it when it is back.
    for (const seeker of [this.#balancer, ...this.#seekers.values()]) seeker.wake();
  }

  #wanted(): number {
    return Math.max(1, this.#config.wantedServers?.(this.#announced) ?? this.#announced);
  }
}
