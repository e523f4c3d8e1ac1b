import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import type { Logger } from '../../lib/log.ts';
import { decodeGrpcMessage } from '../../wire/grpc.ts';
import type { AgentIdentifiers } from '../agent-identifiers.ts';
import type { QueueBudget } from '../queue-budget.ts';
import { DialError } from '../server/dial-error.ts';
import type { ServerMetrics } from '../server/server-metrics.ts';
import type { BackendDial, TunnelBackend } from '../server/tunnel-backend.ts';
import type { TunnelStream } from '../tunnel-stream.ts';
import type { GreetedAgent } from './accept-tunnel.ts';
import { ControlChannel } from './control-channel.ts';
import { NativeConnection } from './native-connection.ts';
import { drainingLine, drainLine, errorHeader, maxConnections, welcomeLine } from './native-protocol.ts';
import { SlowReaders } from './slow-readers.ts';
import { watchPeer } from './watch-peer.ts';

export interface NativeBackendOptions {
  readonly agentId: string;
  readonly identifiers: AgentIdentifiers;
  readonly nodeName: string | undefined;
  readonly budget: QueueBudget;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  /** The tunnel is over: called once. */
  readonly onEnd: (backend: TunnelBackend, error: Error | undefined) => void;
  /** The agent asked to be spared new dials. */
  readonly onDrain: (backend: TunnelBackend) => void;
}

/** What an address may be made of: it becomes a pseudo-header. */
const addressPattern = /^[\w.:[\]%-]{1,300}$/;
const quietMs = 5_000;
const deadMs = 9_000;
/** How long the end of a retired tunnel may take. */
const retireMs = 1000;

/** One agent on a native tunnel: each connection is a stream of its own. */
export class NativeBackend implements TunnelBackend {
  readonly protocol = 'native';
  readonly agentId: string;
  readonly identifiers: AgentIdentifiers;
  readonly nodeName: string | undefined;
  readonly #metrics: ServerMetrics;
  readonly #session: ClientHttp2Session;
  readonly #socket: Socket;
  readonly #onEnd: NativeBackendOptions['onEnd'];
  readonly #control: ControlChannel;
  readonly #slowReaders: SlowReaders;
  readonly #connections = new Set<NativeConnection>();
  #loss: Error | undefined;
  #cause: Error | undefined;
  #dials = 0;
  #lastConnectId = 0n;
  #draining = false;
  #over = false;

  constructor({ session, socket, hello }: GreetedAgent, options: NativeBackendOptions) {
    this.agentId = options.agentId;
    this.identifiers = options.identifiers;
    this.nodeName = options.nodeName;
    this.#metrics = options.metrics;
    this.#session = session;
    this.#socket = socket;
    this.#onEnd = options.onEnd;
    this.#slowReaders = new SlowReaders(options.budget, {
      onStalled: ({ address, queuedBytes }) => {
        options.metrics.stalledConnections.inc();
        const fields = { agentId: options.agentId, address, queuedBytes };
        options.log.warn('Connection closed: its client is far behind and too much waits in memory', fields);
      },
    });
    this.#control = new ControlChannel(hello);
    this.#control.listen({
      onLine: (line) => {
        if (line !== drainLine || this.#draining) return;
        this.#draining = true;
        options.onDrain(this);
      },
      onEnd: (error) => {
        this.#cause ??= error;
        this.#fail(error);
      },
    });
    session.on('error', (error) => {
      this.#cause = error;
    });
    watchPeer(session, {
      bytesRead: () => socket.bytesRead,
      onDead: (error) => {
        this.#cause ??= error;
        this.#fail(error);
      },
      quietMs,
      deadMs,
    });
    this.#control.send(welcomeLine);
    session.once('close', () => this.#end());
    if (session.destroyed) process.nextTick(() => this.#end());
  }

  get draining(): boolean {
    return this.#draining;
  }

  get connections(): number {
    return this.#connections.size;
  }

  dial({ protocol, address, signal, timeoutMs }: BackendDial): Promise<TunnelStream> {
    const refused = this.#refuse({ protocol, address, signal });
    if (refused) return Promise.reject(refused);
    const startedMs = performance.now();
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request({ ':method': 'CONNECT', ':authority': address }, { endStream: false });
    } catch (error) {
      this.retire(); // a session has only so many streams in its life
      return Promise.reject(
        new DialError('backend_lost', `the tunnel takes no more dials: ${error}`, { cause: error }),
      );
    }
    this.#dials++;
    this.#metrics.pendingDials.inc();
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (act: () => void) => {
        if (settled) return;
        settled = true;
        this.#dials--;
        this.#metrics.pendingDials.dec();
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: DialError) =>
        settle(() => {
          stream.close(constants.NGHTTP2_CANCEL);
          reject(error);
        });
      const onAbort = () => fail(new DialError('canceled', 'dial canceled', { cause: signal.reason }));
      const timer = setTimeout(
        () => fail(new DialError('backend_dial_timeout', 'timed out waiting for backend dial')),
        timeoutMs,
      );
      let cause: Error | undefined;
      signal.addEventListener('abort', onAbort, { once: true });
      stream.on('error', (error: Error) => {
        cause = error;
      });
      const onClose = () => {
        const lost = this.#loss || this.#session.destroyed || this.#over;
        fail(lost ? this.#lostDial() : new DialError('error_response', 'the agent reset the dial', { cause }));
      };
      stream.once('close', onClose);
      stream.once('response', (headers) => {
        if (headers[':status'] !== 200) fail(refusal(headers));
        else {
          this.#metrics.dialDuration.observe((performance.now() - startedMs) / 1000);
          stream.off('close', onClose);
          settle(() => resolve(this.#open(stream, address)));
        }
      });
    });
  }

  announceDraining(): void {
    this.#control.send(drainingLine);
  }

  retire(): void {
    this.#control.end();
    setTimeout(() => this.#fail(new Error('the server ended the tunnel')), retireMs).unref();
  }

  /** Streams are broken one by one: what Node does with them when a session is destroyed looks like an end to the peer. */
  #fail(cause: Error | undefined): void {
    this.#loss ??= this.#lossBy(cause);
    for (const connection of this.#connections) connection.lose();
    this.#session.destroy(undefined, constants.NGHTTP2_CANCEL);
    // What is still to be sent to a peer that takes nothing is not waited for.
    setTimeout(() => this.#socket.destroy(), retireMs).unref();
    process.nextTick(() => this.#end()); // its owner may be about to register it
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onEnd(this, this.#cause);
  }

  #lossBy(cause: Error | undefined): Error {
    const why = cause ? `: ${cause.message}` : '';
    return new Error(`the tunnel of agent ${this.agentId} was lost${why}`, { cause });
  }

  #lostDial(): DialError {
    const loss = this.#loss ?? this.#lossBy(this.#cause);
    return new DialError('backend_lost', loss.message, { cause: loss.cause });
  }

  #refuse({ protocol, address, signal }: Omit<BackendDial, 'timeoutMs'>): DialError | undefined {
    if (signal.aborted) return new DialError('canceled', 'dial canceled', { cause: signal.reason });
    if (this.#loss || this.#over || this.#session.destroyed || this.#session.closed) return this.#lostDial();
    if (protocol !== 'tcp') return new DialError('error_response', `dial ${protocol}: unknown network ${protocol}`);
    if (!addressPattern.test(address)) {
      return new DialError('error_response', `dial tcp: address ${address}: missing or invalid port in address`);
    }
    if (this.#connections.size + this.#dials < maxConnections) return undefined;
    return new DialError('error_response', `dial tcp ${address}: too many open files`);
  }

  #open(stream: ClientHttp2Stream, address: string): NativeConnection {
    const connection = new NativeConnection(stream, {
      connectId: ++this.#lastConnectId,
      address,
      slowReaders: this.#slowReaders,
      loss: () => this.#loss ?? (this.#session.destroyed ? this.#lossBy(this.#cause) : undefined),
      onClose: () => {
        this.#connections.delete(connection);
        this.#metrics.establishedConnections.dec();
        this.#metrics.connectionDuration.observe((performance.now() - connection.openedMs) / 1000);
      },
    });
    this.#connections.add(connection);
    this.#metrics.establishedConnections.inc();
    return connection;
  }
}

function refusal(headers: IncomingHttpHeaders): DialError {
  const text = headers[errorHeader];
  const message = typeof text === 'string' ? decodeGrpcMessage(text) : `the agent answered ${headers[':status']}`;
  return new DialError('error_response', message);
}
