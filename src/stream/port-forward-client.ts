import type { Duplex } from 'node:stream';
import { portForwardProtocol, portForwardTunnelProtocol } from './port-forward.ts';
import { openSpdy } from './spdy-client.ts';
import { SpdySession } from './spdy-session.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { openWebSocket } from './websocket.ts';
import { WebSocketTunnel } from './websocket-tunnel.ts';

export interface OpenPortForwardOptions {
  /** SPDY/3.1 by itself, or inside a WebSocket. */
  readonly via: 'spdy' | 'websocket';
  /** For the `Host` header. */
  readonly host: string;
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the connection at once, at any time. */
  readonly signal: AbortSignal;
  /** @default 5000 */
  readonly pingIntervalMs?: number;
}

/** One connection to a port of the pod. */
export interface ForwardedConnection {
  readonly stream: Duplex;
  /** Resolves when the server has ended the error stream: with its text, or `undefined` when all was well. */
  readonly failure: Promise<string | undefined>;
}

/** The asking end of a port-forward: any number of connections over one. */
export interface PortForwardClient extends AsyncDisposable {
  connect(port: number): Promise<ForwardedConnection>;
  readonly closed: AbortSignal;
}

const maxErrorBytes = 64 * 1024;

/**
 * Opens a port-forward over `transport`, TLS included where there is any.
 * @throws {UpgradeRefused} for any answer but a good 101
 */
export async function openPortForward(transport: Duplex, options: OpenPortForwardOptions): Promise<PortForwardClient> {
  const { signal } = options;
  const session = options.via === 'spdy' ? await overSpdy(transport, options) : await overWebSocket(transport, options);
  const abort = () => session.destroy(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  session.closed.addEventListener('abort', () => signal.removeEventListener('abort', abort), { once: true });
  if (signal.aborted) abort();
  let nextId = 0;
  return {
    closed: session.closed,
    async connect(port) {
      const requestid = String(nextId++);
      const open = (streamtype: string) =>
        session.open(new Map(Object.entries({ streamtype, port: String(port), requestid })), { signal });
      const error = await open('error');
      error.end();
      const failure = readText(error);
      failure.catch(() => {}); // who does not ask for it sees the stream end
      return { stream: await open('data'), failure };
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}

async function overSpdy(transport: Duplex, options: OpenPortForwardOptions): Promise<SpdySession> {
  const { session } = await openSpdy(transport, { ...options, protocols: [portForwardProtocol] });
  return session;
}

async function overWebSocket(transport: Duplex, options: OpenPortForwardOptions): Promise<SpdySession> {
  const websocket = await openWebSocket(transport, { ...options, protocols: [portForwardTunnelProtocol] });
  const pings = options.pingIntervalMs === undefined ? {} : { pingIntervalMs: options.pingIntervalMs };
  return new SpdySession(new WebSocketTunnel(websocket), { ...pings, role: 'client' });
}

async function readText(stream: SpdyStream): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (length < maxErrorBytes) parts.push(chunk);
    length += chunk.length;
  }
  return length === 0 ? undefined : Buffer.concat(parts).toString('utf8');
}
