import { pause } from '../../client/deadline.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { QueueBudget } from '../queue-budget.ts';
import type { AgentConfig } from './agent-config.ts';
import { AgentMetrics } from './agent-metrics.ts';
import { ServerConnection } from './server-connection.ts';
import { openServerLink } from './server-link.ts';

export type { AgentConfig } from './agent-config.ts';

export interface KonnectivityAgentOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Hears when a server was connected or lost. */
  readonly onServersChange?: () => void;
}

/** Waits longer after each failure. */
const backoffFactor = 1.5;
/** Waits differ by so much, so that agents that lost one server do not come back at once. */
const jitter = 0.1;

/** An agent of the Konnectivity service: holds a connection to each server and dials targets for them. Works with upstream's servers. */
export class KonnectivityAgent implements AsyncDisposable {
  readonly #config: AgentConfig;
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  readonly #budget: QueueBudget;
  readonly #connections = new Map<string, ServerConnection>();
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #onServersChange: () => void;
  #wake = () => {};
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
    this.#running = this.#sync(this.#stop.signal);
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the agent was stopped'));
    for (const connection of [...this.#connections.values()]) connection.close();
    await this.#running;
  }

  async #sync(signal: AbortSignal): Promise<void> {
    const { syncIntervalMs = 1000, syncIntervalCapMs = 10_000 } = this.#config;
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#connectOnce(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures++;
        const { host, port } = this.#config.server;
        this.#log.warn('Cannot connect to the server', { server: `${host}:${port}`, error });
      }
      const step = failures === 0 ? syncIntervalMs : syncIntervalMs * backoffFactor ** (failures - 1);
      await this.#rest(Math.min(step, syncIntervalCapMs) * (1 + Math.random() * jitter), signal);
    }
  }

  async #connectOnce(signal: AbortSignal): Promise<void> {
    const wanted = this.#wanted();
    this.#metrics.knownServerCount.set(wanted);
    if (this.#draining || (!this.#config.syncForever && this.#connections.size >= wanted)) return;
    const link = await openServerLink(this.#config, signal);
    if (this.#connections.has(link.serverId) || signal.aborted) {
      link.session.destroy();
      return;
    }
    this.#announced = Math.max(1, link.serverCount);
    const connection = new ServerConnection(link, {
      budget: this.#budget,
      metrics: this.#metrics,
      log: this.#log,
      onEnd: (ended, error) => this.#ended(ended, error),
    });
    if (connection.over) return;
    this.#connections.set(link.serverId, connection);
    this.#metrics.openServerConnections.set(this.#connections.size);
    this.#metrics.knownServerCount.set(this.#wanted());
    this.#log.info('Connected', { serverId: link.serverId, servers: this.#connections.size });
    if (this.#draining) connection.drain();
    this.#onServersChange();
  }

  #ended(connection: ServerConnection, error: Error | undefined): void {
    if (this.#connections.get(connection.serverId) !== connection) return;
    this.#connections.delete(connection.serverId);
    this.#metrics.openServerConnections.set(this.#connections.size);
    if (!this.#stop.signal.aborted) {
      this.#log.warn('Lost a server', { serverId: connection.serverId, ...(error && { error: error.message }) });
    }
    this.#onServersChange();
    this.#wake();
  }

  #wanted(): number {
    return this.#config.wantedServers?.(this.#announced) ?? this.#announced;
  }

  /** Waits, but not when a server has just been lost: it may be back at once. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const stop = () => woken.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#wake = () => void setTimeout(stop, Math.random() * 300).unref();
    await pause(ms, woken.signal).catch(() => {}); // woken is as good as rested
    this.#wake = () => {};
    signal.removeEventListener('abort', stop);
  }
}
