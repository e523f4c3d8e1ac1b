import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { encodeBinaryHead } from '../wire/websocket-frame.ts';
import { refuseUpgrade, tuneSocket, type UpgradeRequest } from './upgrade.ts';
import { UpgradeRefused } from './upgrade-refused.ts';

/** The largest message taken from a peer. kubectl sends at most 32 KiB. */
const maxMessageBytes = 4 * 1024 * 1024;
const maxRefusalBytes = 50_000;
const normalClosure = 1000;

export interface WebSocketOptions {
  /** @default 5000; 0 sends none */
  readonly pingIntervalMs?: number;
  /** Ends a connection that received nothing, not even the answer to a ping, for so long. @default 4 hours */
  readonly idleTimeoutMs?: number;
}

export interface OpenWebSocketOptions extends WebSocketOptions {
  /** For the `Host` header. */
  readonly host: string;
  /** Path with query. */
  readonly path: string;
  /** In order of preference. The server has to choose one, unless there is none here. */
  readonly protocols: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

export interface WebSocketHandler {
  /** One message; `data` is only read, never changed. */
  message(data: Buffer, isText: boolean): void;
  /** The connection is over. `code` is 1000 after a proper end, 1006 when it was lost. */
  closed(code: number, reason: string): void;
}

/**
 * One WebSocket connection with back-pressure both ways. Starts paused: nothing is read before {@link start}.
 * Pings the peer, and while it is paused (so that it cannot see the peer's pings) sends the pongs that kubectl gives up without.
 */
export class WebSocketConnection {
  /** The subprotocol agreed on; `''` for none. */
  readonly protocol: string;
  readonly #socket: WebSocket;
  readonly #transport: Duplex;
  readonly #masks: boolean;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  #waiting = new Set<(error?: Error) => void>();
  #lastReceivedMs = performance.now();

  /** @param transport what `socket` runs on: says when there is room to write */
  constructor(
    socket: WebSocket,
    transport: Duplex,
    options: WebSocketOptions & { readonly protocol: string; readonly role: 'client' | 'server' },
  ) {
    this.#socket = socket;
    this.#transport = transport;
    this.#masks = options.role === 'client';
    this.protocol = options.protocol;
    socket.pause();
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(undefined));
    socket.on('ping', () => this.#received());
    socket.on('pong', () => this.#received());
    transport.on('drain', () => this.#settle(undefined));
    const pingIntervalMs = options.pingIntervalMs ?? 5000;
    if (pingIntervalMs > 0) {
      this.#timer = setInterval(() => this.#tick(options.idleTimeoutMs ?? 4 * 3600 * 1000), pingIntervalMs);
      this.#timer.unref();
    }
  }

  /** Aborts when the connection is over; the reason is the error that ended it. */
  get closed(): AbortSignal {
    return this.#lost.signal;
  }

  start(handler: WebSocketHandler): void {
    this.#socket.on('message', (data: Buffer, isBinary) => {
      this.#received();
      handler.message(data, !isBinary);
    });
    this.#socket.on('close', (code, reason) => handler.closed(code, reason.toString('utf8')));
    this.#socket.resume();
  }

  /** Stops reading from the peer; what has been read already may still come as messages. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends bytes as a binary message, a string as text. `done` is called when there is room for more. */
  send(data: Uint8Array | string, done: (error?: Error) => void): void {
    if (this.#socket.readyState !== WebSocket.OPEN) {
      done(new Error('The WebSocket is closed', { cause: this.#lost.signal.reason }));
      return;
    }
    this.#socket.send(data, { binary: typeof data !== 'string' });
    if (this.#transport.writableNeedDrain) this.#waiting.add(done);
    else done();
  }

  /**
   * Sends one binary message that consists of `parts`. `done` is called when the system has taken it, so that what is written in the meantime can
   * be joined. A server's parts are handed to the transport as they are: the library would want them as one.
   */
  sendParts(parts: readonly Uint8Array[], done: (error?: Error) => void): void {
    if (this.#masks || this.#socket.readyState !== WebSocket.OPEN) {
      this.send(Buffer.concat(parts), done);
      return;
    }
    let settled = false;
    const settle = (error?: Error | null) => {
      if (settled) return;
      settled = true;
      this.#waiting.delete(settle);
      done(error ?? undefined);
    };
    this.#waiting.add(settle); // a lost connection does not call back for what it had not sent
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#transport.cork();
    this.#transport.write(encodeBinaryHead(length));
    parts.forEach((part, index) => {
      if (index < parts.length - 1) this.#transport.write(part);
      else this.#transport.write(part, settle);
    });
    this.#transport.uncork();
  }

  /** Sends the close frame behind everything sent so far. Resolves when the peer has answered it, or after 30 s. */
  close(code: number = normalClosure, reason = ''): Promise<void> {
    if (this.#lost.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#lost.signal.addEventListener('abort', () => resolve(), { once: true });
      this.#socket.close(code, reason);
      this.#socket.resume(); // the peer's close frame stands behind what nobody reads any more
    });
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.#socket.terminate();
  }

  #received(): void {
    this.#lastReceivedMs = performance.now();
  }

  #tick(idleTimeoutMs: number): void {
    if (performance.now() - this.#lastReceivedMs > idleTimeoutMs) this.terminate();
    if (this.#socket.readyState !== WebSocket.OPEN || this.#transport.writableNeedDrain) return;
    this.#socket.ping();
    if (this.#socket.isPaused) this.#socket.pong();
  }

  #end(error: Error | undefined): void {
    if (this.#lost.signal.aborted) return;
    clearInterval(this.#timer);
    const reason = error ?? new Error('The WebSocket connection ended');
    this.#lost.abort(reason);
    this.#settle(reason);
  }

  #settle(error: Error | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const done of waiting) done(error);
  }
}

/**
 * Answers a WebSocket handshake with `protocol` (`''`: the header is left out).
 * @throws {HandshakeError} after having answered
 */
export function acceptWebSocket(
  upgrade: UpgradeRequest,
  options: WebSocketOptions & { protocol: string },
): WebSocketConnection {
  const { request, socket, head } = upgrade;
  if (request.method !== 'GET') throw refuseUpgrade(upgrade, 405, 'WebSocket requests must use GET');
  if (request.headers['sec-websocket-version'] !== '13') {
    throw refuseUpgrade(upgrade, 400, 'WebSocket version 13 is required', ['Sec-WebSocket-Version: 13']);
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(String(request.headers['sec-websocket-key'] ?? ''))) {
    throw refuseUpgrade(upgrade, 400, 'Sec-WebSocket-Key is missing or malformed');
  }
  if (!socket.readable || !socket.writable) throw refuseUpgrade(upgrade, 400, 'The client has gone');
  tuneSocket(socket);
  // The library takes only RFC tokens as subprotocols, and `SPDY/3.1+portforward.k8s.io` is none: the header goes past it.
  const headers = { ...request.headers, 'sec-websocket-protocol': undefined };
  const server = new WebSocketServer({ noServer: true, clientTracking: false, ...limits });
  server.on('headers', (lines) => {
    if (options.protocol !== '') lines.push(`Sec-WebSocket-Protocol: ${options.protocol}`);
  });
  let accepted: WebSocketConnection | undefined;
  const plainRequest = Object.create(request, { headers: { value: headers } });
  server.handleUpgrade(plainRequest, socket, head, (ws) => {
    accepted = new WebSocketConnection(ws, socket, { ...options, role: 'server' });
  });
  if (!accepted) throw refuseUpgrade(upgrade, 400, 'The WebSocket handshake failed');
  return accepted;
}

/** Opens a WebSocket on `transport`, TLS included where there is any. @throws {UpgradeRefused} for any answer but a good 101 */
export function openWebSocket(transport: Duplex, options: OpenWebSocketOptions): Promise<WebSocketConnection> {
  const { host, path, protocols, signal } = options;
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://${host}${path}`, {
      ...limits,
      handshakeTimeout: 30_000,
      headers: {
        ...options.headers,
        ...(protocols.length > 0 && { 'Sec-WebSocket-Protocol': protocols.join(', ') }),
      },
      createConnection: () => transport as import('node:net').Socket, // any Duplex serves; the type asks for more
    });
    const fail = (error: Error) => {
      signal.removeEventListener('abort', abandon);
      transport.destroy();
      reject(error);
    };
    const abandon = () => {
      ws.terminate();
      fail(signal.reason);
    };
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
    let protocol = '';
    ws.on('error', fail);
    ws.on('upgrade', (response) => {
      protocol = String(response.headers['sec-websocket-protocol'] ?? '');
      delete response.headers['sec-websocket-protocol']; // judged below, see acceptWebSocket
    });
    ws.on('unexpected-response', (_request, response) => {
      void UpgradeRefused.read(response, maxRefusalBytes).then(fail, fail);
    });
    ws.on('open', () => {
      signal.removeEventListener('abort', abandon);
      ws.off('error', fail);
      const connection = new WebSocketConnection(ws, transport, { ...options, protocol, role: 'client' });
      if (protocols.length === 0 ? protocol === '' : protocols.includes(protocol)) {
        resolve(connection);
      } else {
        connection.terminate();
        reject(new Error(`The server chose the WebSocket protocol "${protocol}", which was not offered`));
      }
    });
  });
}

const limits = { perMessageDeflate: false, maxPayload: maxMessageBytes, closeTimeout: 60_000 } as const;
