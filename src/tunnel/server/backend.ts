import { randomBytes } from 'node:crypto';
import type { ServerHttp2Stream } from 'node:http2';
import type { Logger } from '../../lib/log.ts';
import type { Packet } from '../../wire/konnectivity.ts';
import type { AgentIdentifiers } from '../agent-identifiers.ts';
import type { Extensions } from '../extensions.ts';
import { PacketStream } from '../packet-stream.ts';
import type { QueueBudget } from '../queue-budget.ts';
import { type ConnectionOwner, TunnelConnection } from '../tunnel-connection.ts';
import { DialError } from './dial-error.ts';
import type { ServerMetrics } from './server-metrics.ts';
import type { BackendDial, TunnelBackend } from './tunnel-backend.ts';

export interface BackendOptions {
  readonly agentId: string;
  readonly identifiers: AgentIdentifiers;
  readonly nodeName: string | undefined;
  readonly extensions: Extensions | undefined;
  readonly budget: QueueBudget;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  /** The stream is over: called once. */
  readonly onEnd: (backend: Backend, error: Error | undefined) => void;
  /** The agent asked to be spared new dials. */
  readonly onDrain: (backend: Backend) => void;
}

interface PendingDial {
  readonly address: string;
  readonly startedMs: number;
  readonly resolve: (connection: TunnelConnection) => void;
  readonly reject: (error: DialError) => void;
}

/** Connections that were closed on this side and whose last packets may still come. */
const maxForgotten = 4096;
/** How long the end of a retired stream may take. */
const retireMs = 1000;

/** One agent's `Connect` stream: its pending dials and its connections. Dial ids are our own, whatever ids frontends use. */
export class Backend implements ConnectionOwner, TunnelBackend {
  readonly role = 'server';
  readonly protocol = 'konnectivity';
  readonly agentId: string;
  readonly identifiers: AgentIdentifiers;
  readonly nodeName: string | undefined;
  readonly extensions: Extensions | undefined;
  readonly budget: QueueBudget;
  readonly packets: PacketStream;
  readonly #options: BackendOptions;
  readonly #metrics: ServerMetrics;
  readonly #pending = new Map<bigint, PendingDial>();
  readonly #connections = new Map<bigint, TunnelConnection>();
  readonly #forgotten = new Set<bigint>();
  #draining = false;

  constructor(stream: ServerHttp2Stream, options: BackendOptions) {
    this.agentId = options.agentId;
    this.identifiers = options.identifiers;
    this.nodeName = options.nodeName;
    this.extensions = options.extensions;
    this.budget = options.budget;
    this.#options = options;
    this.#metrics = options.metrics;
    this.packets = new PacketStream(stream, {
      onPacket: (packet) => this.#receive(packet),
      onEnd: (error) => this.#lost(error),
      onHold: (held) => this.#metrics.fullReceiveChannels.inc({ service_method: 'Connect' }, held ? 1 : -1),
      onCount: (direction, type) => this.#metrics.countPacket(direction === 'in' ? 'from_agent' : 'to_agent', type),
    });
  }

  /** Whether new dials go elsewhere as long as there is an elsewhere. */
  get draining(): boolean {
    return this.#draining;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** @throws {DialError} */
  dial({ protocol, address, signal, timeoutMs }: BackendDial): Promise<TunnelConnection> {
    if (signal.aborted) return Promise.reject(new DialError('canceled', 'dial canceled', { cause: signal.reason }));
    if (this.packets.over) return Promise.reject(lostError());
    const random = newDialId();
    return new Promise((resolve, reject) => {
      const settle = () => {
        this.#pending.delete(random);
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#metrics.pendingDials.dec();
      };
      const abandon = (error: DialError) => {
        settle();
        this.packets.send({ type: 'DIAL_CLS', random });
        reject(error);
      };
      const onAbort = () => abandon(new DialError('canceled', 'dial canceled', { cause: signal.reason }));
      const timer = setTimeout(() => {
        // An agent that does not even take the question is stuck, and connects anew.
        if (this.packets.stuckMs >= timeoutMs * 0.9) this.retire();
        abandon(new DialError('backend_dial_timeout', 'timed out waiting for backend dial'));
      }, timeoutMs).unref();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#metrics.pendingDials.inc();
      this.#pending.set(random, {
        address,
        startedMs: performance.now(),
        resolve: (connection) => {
          settle();
          resolve(connection);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.packets.send({ type: 'DIAL_REQ', protocol, address, random });
    });
  }

  forget(connection: TunnelConnection): void {
    if (!this.#connections.delete(connection.connectId)) return;
    this.#metrics.establishedConnections.dec();
    this.#metrics.connectionDuration.observe((performance.now() - connection.openedMs) / 1000);
    this.#forgotten.add(connection.connectId);
    const [oldest] = this.#forgotten;
    if (this.#forgotten.size > maxForgotten && oldest !== undefined) this.#forgotten.delete(oldest);
  }

  onStalled({ address, queuedBytes }: TunnelConnection): void {
    this.#metrics.stalledConnections.inc();
    this.#options.log.warn('Connection closed: its client takes nothing and held up the agent', {
      agentId: this.agentId,
      address,
      queuedBytes,
    });
  }

  /** Upstream's protocol has no word for it. */
  announceDraining(): void {}

  /** Ends the stream in good order; the agent connects again. */
  retire(): void {
    this.#draining = true;
    this.packets.stream.end();
    setTimeout(() => this.packets.destroy(new Error('the server ended the stream')), retireMs).unref();
  }

  #receive(packet: Packet): void {
    switch (packet.type) {
      case 'DIAL_RSP':
        this.#receiveDialResponse(packet);
        return;
      case 'DATA': {
        const connection = this.#connections.get(packet.connectId);
        if (connection) connection.receiveData(packet.data);
        else if (packet.connectId !== 0n && !this.#forgotten.has(packet.connectId)) {
          this.packets.send({ type: 'CLOSE_REQ', connectId: packet.connectId });
        }
        return;
      }
      case 'FIN':
        this.#connections.get(packet.connectId)?.receiveFin();
        return;
      case 'WINDOW':
        this.#connections.get(packet.connectId)?.receiveWindow(packet.bytes);
        return;
      case 'CLOSE_RSP':
        this.#connections.get(packet.connectId)?.receiveClose(packet.error);
        this.#forgotten.delete(packet.connectId);
        return;
      case 'DIAL_CLS':
        this.#pending.get(packet.random)?.reject(new DialError('backend_close', 'the agent gave up the dial'));
        return;
      case 'DRAIN':
        this.#draining = true;
        this.#options.onDrain(this);
        return;
      case 'CLOSE_REQ':
      case 'DIAL_REQ':
      case 'unknown':
        return; // nothing an agent sends
    }
  }

  #receiveDialResponse({ error, connectId, random }: Extract<Packet, { type: 'DIAL_RSP' }>): void {
    const pending = this.#pending.get(random);
    if (!pending) {
      this.#metrics.dialFailures.inc({ reason: 'unrecognized_response' });
      if (connectId !== 0n) this.packets.send({ type: 'CLOSE_REQ', connectId });
      return;
    }
    if (error !== '' || connectId === 0n || this.#connections.has(connectId)) {
      const message = error || `the agent answered with connection id ${connectId}`;
      pending.reject(new DialError('error_response', message));
      return;
    }
    const connection = new TunnelConnection(this, { connectId, address: pending.address });
    this.#connections.set(connectId, connection);
    this.#metrics.establishedConnections.inc();
    this.#metrics.dialDuration.observe((performance.now() - pending.startedMs) / 1000);
    pending.resolve(connection);
  }

  #lost(error: Error | undefined): void {
    for (const pending of [...this.#pending.values()]) pending.reject(lostError());
    const loss = new Error(`the tunnel of agent ${this.agentId} was lost`, { cause: error });
    for (const connection of [...this.#connections.values()]) connection.receiveLoss(loss);
    this.#options.onEnd(this, error);
  }
}

function lostError(): DialError {
  return new DialError('backend_lost', 'context canceled');
}

/** As Go's `rand.Int63`: 63 bits, never negative. */
function newDialId(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n;
}
