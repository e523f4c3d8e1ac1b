import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { ProtocolError } from '../../lib/protocol-error.ts';
import { encodeGrpcMessage } from '../../wire/grpc.ts';
import type { AgentConnection, AgentConnectionOptions, ServerLink } from '../agent/agent-connection.ts';
import { dialTarget, TargetError } from '../agent/dial-target.ts';
import { handshakeTimeoutMs } from '../session-settings.ts';
import { splice } from '../splice.ts';
import { ControlChannel } from './control-channel.ts';
import { NativeConnection } from './native-connection.ts';
import {
  errorHeader,
  helloPath,
  maxConnections,
  nativeSessionOptions,
  nativeSessionWindowBytes,
  nativeVersion,
  versionHeader,
} from './native-protocol.ts';
import { watchPeer } from './watch-peer.ts';

export interface ServeTunnelOptions {
  readonly agentId: string;
  /** As they are sent. */
  readonly identifiers: string;
  readonly token: string | undefined;
  /** Gives up until the server has said who it is. */
  readonly signal: AbortSignal;
  readonly deadline: AbortSignal;
}

/** As upstream's agent. */
const dialTimeoutMs = 5_000;
const quietMs = 3_000;
const deadMs = 9_000;

/**
 * The agent's end of a native tunnel: serves HTTP/2 on the connection that it opened. Resolves when the server has said who it is.
 * @throws {ProtocolError} where the peer does not begin as it must
 */
export function serveTunnel(socket: Socket, options: ServeTunnelOptions): Promise<ServerLink> {
  const session = performServerHandshake(socket, nativeSessionOptions);
  session.setLocalWindowSize(nativeSessionWindowBytes);
  return new Promise((resolve, reject) => {
    const { signal, deadline } = options;
    let cause: Error | undefined;
    const settle = () => {
      signal.removeEventListener('abort', onAbort);
      deadline.removeEventListener('abort', onLate);
      session.off('stream', onHello);
      session.off('close', onClose);
    };
    const fail = (error: unknown) => {
      settle();
      session.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onLate = () => fail(new Error(`no hello from the server within ${handshakeTimeoutMs} ms`));
    const onClose = () => fail(new Error('the connection ended during the handshake', { cause }));
    const onHello = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => {}); // the session's end tells
      const serverId = headers['serverid'];
      const serverCount = Number(headers['servercount']);
      if (headers[':method'] !== 'POST' || headers[':path'] !== helloPath || typeof serverId !== 'string') {
        fail(new ProtocolError('The server did not begin with its hello'));
      } else if (!Number.isSafeInteger(serverCount)) {
        fail(new ProtocolError(`The server says that there are ${headers['servercount']} servers`));
      } else {
        settle();
        resolve(new NativeLink({ session, socket, hello: stream, serverId, serverCount }, options));
      }
    };
    session.on('error', (error: Error) => {
      cause = error;
    });
    session.on('close', onClose);
    session.on('stream', onHello);
    signal.addEventListener('abort', onAbort, { once: true });
    deadline.addEventListener('abort', onLate, { once: true });
    if (signal.aborted) onAbort();
  });
}

interface Greeted {
  readonly session: ServerHttp2Session;
  readonly socket: Socket;
  readonly hello: ServerHttp2Stream;
  readonly serverId: string;
  readonly serverCount: number;
}

class NativeLink implements ServerLink {
  readonly serverId: string;
  readonly serverCount: number;
  readonly #greeted: Greeted;
  readonly #options: ServeTunnelOptions;

  constructor(greeted: Greeted, options: ServeTunnelOptions) {
    this.serverId = greeted.serverId;
    this.serverCount = greeted.serverCount;
    this.#greeted = greeted;
    this.#options = options;
  }

  serve(options: AgentConnectionOptions): AgentConnection {
    const { hello } = this.#greeted;
    const { agentId, identifiers, token } = this.#options;
    const connection = new TunnelService(this.#greeted, options);
    if (!hello.destroyed) {
      hello.respond({
        ':status': 200,
        [versionHeader]: nativeVersion,
        agentid: agentId,
        agentidentifiers: identifiers,
        ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
      });
    }
    return connection;
  }

  discard(): void {
    const { hello, session } = this.#greeted;
    if (!hello.destroyed) hello.respond({ ':status': 409 }, { endStream: true });
    session.close();
    setTimeout(() => session.destroy(), 1000).unref();
  }
}

/** Dials what the server asks for and carries the bytes. */
class TunnelService implements AgentConnection {
  readonly serverId: string;
  readonly #session: ServerHttp2Session;
  readonly #control: ControlChannel;
  readonly #options: AgentConnectionOptions;
  readonly #connections = new Set<NativeConnection>();
  #dials = 0;
  #lastConnectId = 0n;
  #over = false;

  constructor({ session, socket, hello, serverId }: Greeted, options: AgentConnectionOptions) {
    this.serverId = serverId;
    this.#session = session;
    this.#options = options;
    let cause: Error | undefined;
    this.#control = new ControlChannel(hello, {
      onLine: (line) => {
        if (line === 'DRAINING') options.onServerDraining?.(this);
      },
      onEnd: (error) => {
        cause ??= error;
        session.destroy();
      },
    });
    session.on('error', (error: Error) => {
      cause = error;
    });
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => {}); // told by its connection, or nobody waits for it
      if (headers[':method'] === 'CONNECT') void this.#dial(stream, headers[':authority'] ?? '');
      else stream.respond({ ':status': 404 }, { endStream: true });
    });
    const end = () => {
      this.#over = true;
      if (cause) options.metrics.countServerFailure();
      options.onEnd(this, cause);
    };
    watchPeer(session, { bytesRead: () => socket.bytesRead, quietMs, deadMs });
    if (session.destroyed) process.nextTick(end);
    else session.once('close', end);
  }

  get connections(): number {
    return this.#connections.size + this.#dials;
  }

  get over(): boolean {
    return this.#over;
  }

  drain(): void {
    this.#control.send('DRAIN');
  }

  close(): void {
    this.#control.end();
    this.#session.destroy();
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
      metrics.dialDuration.observe((performance.now() - startedMs) / 1000);
      const connection = new NativeConnection(stream, {
        connectId: ++this.#lastConnectId,
        address,
        loss: () => (this.#session.destroyed ? new Error('the tunnel was lost') : undefined),
        onClose: () => {
          this.#connections.delete(connection);
          metrics.openEndpointConnections.dec();
        },
      });
      this.#connections.add(connection);
      metrics.openEndpointConnections.inc();
      stream.respond({ ':status': 200 });
      void splice(socket, connection);
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
