import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { encodeGrpcMessage } from '../../wire/grpc.ts';
import type { AgentConnection, AgentConnectionOptions } from '../agent/agent-connection.ts';
import { dialTarget, TargetError } from '../agent/dial-target.ts';
import { splice } from '../splice.ts';
import type { ControlChannel } from './control-channel.ts';
import { NativeConnection } from './native-connection.ts';
import { drainingLine, drainLine, errorHeader, maxConnections } from './native-protocol.ts';
import { SlowReaders } from './slow-readers.ts';
import { watchPeer } from './watch-peer.ts';

/** A native tunnel whose server has let the agent in. */
export interface WelcomedTunnel {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  readonly control: ControlChannel;
  readonly serverId: string;
  /** Streams that it has opened already. */
  readonly early: readonly (readonly [ServerHttp2Stream, IncomingHttpHeaders])[];
}

/** As upstream's agent. */
const dialTimeoutMs = 5_000;
const quietMs = 3_000;
const deadMs = 9_000;
/** How long the end of a tunnel may take. */
const closeMs = 1000;

/** Dials what the server asks for and carries the bytes. */
export class TunnelService implements AgentConnection {
  readonly serverId: string;
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #control: ControlChannel;
  readonly #options: AgentConnectionOptions;
  readonly #slowReaders: SlowReaders;
  readonly #connections = new Set<NativeConnection>();
  #loss: Error | undefined;
  #cause: Error | undefined;
  #dials = 0;
  #lastConnectId = 0n;
  #over = false;

  constructor({ session, socket, control, serverId, early }: WelcomedTunnel, options: AgentConnectionOptions) {
    this.serverId = serverId;
    this.#session = session;
    this.#socket = socket;
    this.#options = options;
    this.#slowReaders = new SlowReaders(options.budget, {
      onStalled: ({ address, queuedBytes }) => {
        options.metrics.stalledConnections.inc();
        const fields = { serverId, address, queuedBytes };
        options.log.warn('Connection closed: its target is far behind and too much waits in memory', fields);
      },
    });
    this.#control = control;
    control.listen({
      onLine: (line) => {
        if (line === drainingLine) options.onServerDraining?.(this);
      },
      onEnd: (error) => {
        this.#cause ??= error;
        this.#fail(error);
      },
    });
    session.on('error', (error: Error) => {
      this.#cause = error;
    });
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => this.#serve(stream, headers));
    for (const [stream, headers] of early) this.#serve(stream, headers);
    watchPeer(session, {
      bytesRead: () => socket.bytesRead,
      onDead: (error) => {
        this.#cause ??= error;
        this.#fail(error);
      },
      quietMs,
      deadMs,
    });
    session.once('close', () => this.#end());
    if (session.destroyed) process.nextTick(() => this.#end());
  }

  get connections(): number {
    return this.#connections.size + this.#dials;
  }

  get over(): boolean {
    return this.#over;
  }

  drain(): void {
    this.#control.send(drainLine);
  }

  close(): void {
    this.#control.end();
    this.#fail(undefined);
  }

  /** Streams are broken one by one: what Node does with them when a session is destroyed looks like an end to the peer. */
  #fail(cause: Error | undefined): void {
    this.#loss ??= new Error('the tunnel was lost', { cause });
    for (const connection of this.#connections) connection.lose();
    this.#session.destroy(undefined, constants.NGHTTP2_CANCEL);
    // What is still to be sent to a peer that takes nothing is not waited for.
    setTimeout(() => this.#socket.destroy(), closeMs).unref();
    process.nextTick(() => this.#end()); // its owner may be about to register it
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#cause) this.#options.metrics.countServerFailure();
    this.#options.onEnd(this, this.#cause);
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => {}); // told by its connection, or nobody waits for it
    if (stream.destroyed) return;
    if (headers[':method'] === 'CONNECT') void this.#dial(stream, headers[':authority'] ?? '');
    else stream.respond({ ':status': 404 }, { endStream: true });
  }

  async #dial(stream: ServerHttp2Stream, address: string): Promise<void> {
    const { metrics, log } = this.#options;
    if (this.connections >= maxConnections) {
      refuse(stream, { status: 503, message: `dial tcp ${address}: too many open files` });
      return;
    }
    const startedMs = performance.now();
    const abandon = new AbortController();
    const onGone = () => abandon.abort(new Error('the server gave up the dial'));
    stream.once('aborted', onGone);
    stream.once('close', onGone);
    this.#dials++;
    try {
      const socket = await dialTarget({ protocol: 'tcp', address, signal: abandon.signal, timeoutMs: dialTimeoutMs });
      if (abandon.signal.aborted) {
        socket.destroy();
        return;
      }
      stream.off('aborted', onGone);
      stream.off('close', onGone);
      metrics.dialDuration.observe((performance.now() - startedMs) / 1000);
      const connection = new NativeConnection(stream, {
        connectId: ++this.#lastConnectId,
        address,
        slowReaders: this.#slowReaders,
        loss: () => this.#loss ?? (this.#session.destroyed ? new Error('the tunnel was lost') : undefined),
        onClose: () => {
          this.#connections.delete(connection);
          metrics.openEndpointConnections.dec();
        },
      });
      this.#connections.add(connection);
      metrics.openEndpointConnections.inc();
      stream.respond({ ':status': 200 });
      void splice(socket, connection, { propagateReset: true });
    } catch (error) {
      if (abandon.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      const reason = error instanceof TargetError ? error.reason : 'unknown';
      metrics.dialFailures.inc({ reason });
      log.debug('Cannot reach a target', { address, error: message });
      refuse(stream, { status: reason === 'timeout' ? 504 : 502, message });
    } finally {
      this.#dials--;
    }
  }
}

function refuse(stream: ServerHttp2Stream, { status, message }: { status: number; message: string }): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ':status': status, [errorHeader]: encodeGrpcMessage(message) }, { endStream: true });
  stream.close(constants.NGHTTP2_NO_ERROR);
}
