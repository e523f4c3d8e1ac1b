import { createHash } from 'node:crypto';
import type { Agent as HttpAgent, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Agent, request as httpRequest } from '../../lib/node-http.ts';
import type { Dial } from '../../stream/dial.ts';
import { type Backend, BackendError } from './backend.ts';
import { connectBackend, describe } from './connect-backend.ts';
import { Slots } from './slots.ts';

export interface BackendPoolOptions {
  readonly dial: Dial;
  /** To dial and to shake hands, together. @default 10_000 */
  readonly connectTimeoutMs?: number;
  /** Requests to one backend at once, answers that still come included; further ones wait for their turn. @default 64 */
  readonly maxRequests?: number;
}

export interface BackendRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Uint8Array | Readable;
  /** Gives the request up, its answer's body included. */
  readonly signal: AbortSignal;
}

/** Connections that rest, for each backend. */
const maxIdle = 8;
const idleTimeoutMs = 30_000;
/** Backends remembered; what was used longest ago goes first. */
const maxBackends = 256;

/** The connections to one backend. */
interface Way {
  readonly agent: HttpAgent;
  readonly slots: Slots;
}

/** HTTP/1.1 over kept connections to backends. A redirect is an answer like any other: nothing is followed. */
export class BackendPool implements Disposable {
  readonly #options: BackendPoolOptions;
  readonly #ways = new Map<string, Way>();
  readonly #closing = new AbortController();

  constructor(options: BackendPoolOptions) {
    this.#options = options;
  }

  /** Any status is an answer. Its body has to be read or destroyed. @throws {BackendError} */
  async request(backend: Backend, request: BackendRequest): Promise<IncomingMessage> {
    const { agent, slots } = this.#way(backend);
    const release = await slots.take(request.signal).catch((reason: unknown) => {
      const why = reason instanceof Error ? reason.message : String(reason);
      throw new BackendError('request', `${why} (waiting for a turn at ${describe(backend)})`, { cause: reason });
    });
    try {
      const response = await this.#send(agent, backend, request);
      if (response.closed) release();
      else response.once('close', release);
      return response;
    } catch (error) {
      release();
      throw error;
    }
  }

  async #send(agent: HttpAgent, backend: Backend, request: BackendRequest): Promise<IncomingMessage> {
    try {
      return await send(agent, backend, request);
    } catch (error) {
      // A resting connection that the backend closes just now: the request never got there.
      const repeatable = request.body === undefined || request.body instanceof Uint8Array;
      if (!(error instanceof StaleConnection) || !repeatable || request.signal.aborted) throw error;
      return await send(agent, backend, { ...request, headers: { ...request.headers, connection: 'close' } });
    }
  }

  /** A connection of its own, for upgrades. @throws {BackendError} */
  async connect(backend: Backend, { signal }: { signal: AbortSignal }): Promise<TLSSocket> {
    return this.#connect(backend, signal);
  }

  [Symbol.dispose](): void {
    this.#closing.abort(new Error('the server is shutting down'));
    for (const { agent } of this.#ways.values()) agent.destroy();
    this.#ways.clear();
  }

  #way(backend: Backend): Way {
    const key = keyOf(backend);
    const way = this.#ways.get(key) ?? this.#open(backend);
    this.#ways.delete(key); // put back as the newest
    this.#ways.set(key, way);
    if (this.#ways.size > maxBackends) this.#forgetOldest();
    return way;
  }

  #open(backend: Backend): Way {
    const agent = new Agent({ keepAlive: true, maxFreeSockets: maxIdle, timeout: 0 });
    agent.createConnection = (_options, callback) => {
      this.#connect(backend).then(
        (socket) => callback?.(null, restless(socket)),
        // The agent looks at the error alone; its type wants a socket too.
        (error: Error) => callback?.(error, undefined as unknown as Duplex),
      );
      return undefined;
    };
    agent.on('free', (socket: Duplex & { setTimeout?: (ms: number) => void }) => socket.setTimeout?.(idleTimeoutMs));
    return { agent, slots: new Slots(this.#options.maxRequests ?? 64) };
  }

  #forgetOldest(): void {
    for (const [key, { agent, slots }] of this.#ways) {
      if (!slots.idle) continue;
      agent.destroy();
      this.#ways.delete(key);
      return;
    }
  }

  async #connect(backend: Backend, signal?: AbortSignal): Promise<TLSSocket> {
    const { dial, connectTimeoutMs = 10_000 } = this.#options;
    const deadline = new AbortController();
    const closing = this.#closing.signal;
    const timer = setTimeout(
      () => deadline.abort(new Error(`no connection within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    const abandon = () => deadline.abort(closing.aborted ? closing.reason : signal?.reason);
    for (const outer of [closing, signal]) {
      outer?.addEventListener('abort', abandon, { once: true });
      if (outer?.aborted) abandon();
    }
    try {
      return await connectBackend(backend, { dial, signal: deadline.signal });
    } finally {
      clearTimeout(timer);
      for (const outer of [closing, signal]) outer?.removeEventListener('abort', abandon);
    }
  }
}

/** A connection ends by itself after it has rested long enough. */
function restless(socket: TLSSocket): TLSSocket {
  socket.on('timeout', () => socket.destroy());
  return socket;
}

class StaleConnection extends BackendError {}

function send(agent: HttpAgent, backend: Backend, options: BackendRequest): Promise<IncomingMessage> {
  const { method, path, headers, body, signal } = options;
  return new Promise((resolve, reject) => {
    let connected = false;
    let answered = false;
    const request = httpRequest({
      agent,
      method,
      path,
      headers: { host: backend.authority, ...headers },
      maxHeaderSize: 64 * 1024,
    });
    const abandon = () => {
      const at = connected ? 'awaiting the answer of' : 'connecting to';
      const reason = signal.reason instanceof Error ? signal.reason.message : String(signal.reason);
      request.destroy(new BackendError(connected ? 'request' : 'dial', `${reason} (${at} ${describe(backend)})`));
    };
    const settle = () => signal.removeEventListener('abort', abandon);
    request.once('socket', (socket) => {
      connected = true;
      socket.setTimeout(0);
    });
    request.once('response', (response) => {
      answered = true;
      response.once('close', settle);
      resolve(response);
    });
    request.on('error', (error: Error & { code?: string }) => {
      settle();
      if (answered) return; // the answer's body reports it
      if (error instanceof BackendError) return reject(error);
      const message = `${error.message} (${describe(backend)})`;
      const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(new (stale ? StaleConnection : BackendError)('request', message, { cause: error }));
    });
    request.once('close', () => {
      if (!answered) settle();
    });
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) return abandon();
    if (body === undefined || body instanceof Uint8Array) request.end(body);
    else {
      body.once('error', (error) => request.destroy(error));
      body.pipe(request);
    }
  });
}

/** One set of connections for each address, identity and trust. */
function keyOf({ host, port, node, network, serverName, caPem, verify, client }: Backend): string {
  const identity = JSON.stringify([host, port, node, network, serverName, caPem, verify, client?.certificatePem]);
  return createHash('sha256').update(identity).digest('base64');
}
