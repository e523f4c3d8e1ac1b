import type { ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import { Agent } from '../../lib/node-http.ts';

/** A node, pod or endpoint as the pool knows it: connections with one key are interchangeable. */
export interface PooledBackend {
  /** Names the destination and everything that was proved about it. */
  readonly key: string;
  /** Opens a connection; no request's signal bounds it, since another request may get it. */
  readonly open: () => Promise<Duplex>;
}

/** Idle connections to one backend, and to all. */
const maxIdleEach = 32;
const maxIdleAll = 512;
/** Shorter than what common servers grant, so that a request rarely meets a connection that is just being closed. */
const defaultIdleMs = 4_000;
const maxIdleMs = 60_000;

/**
 * HTTP/1.1 connections to backends that are kept for the next request. A connection carries one request at a time and is kept only where both the
 * request and the answer have ended properly, so that nothing of one request is read as part of another.
 */
export class ProxyConnections extends Agent implements Disposable {
  readonly #idle = new Map<Duplex, NodeJS.Timeout>();
  /** How long a backend said it keeps connections. */
  readonly #keepMs = new WeakMap<Duplex, number>();

  constructor() {
    super({ keepAlive: true, maxFreeSockets: maxIdleEach, scheduling: 'lifo' });
  }

  /** Options for `request` that send it through the pool. */
  through(backend: PooledBackend): { agent: ProxyConnections; backend: PooledBackend } {
    return { agent: this, backend };
  }

  /** Takes the backend's `Keep-Alive` header for the connection that an answer came on. */
  remember(socket: Duplex, header: string | undefined): void {
    const seconds = /\btimeout\s*=\s*(\d{1,6})/i.exec(header ?? '')?.[1];
    if (seconds !== undefined) this.#keepMs.set(socket, Math.min(maxIdleMs, Number(seconds) * 1000 - 1000));
  }

  override getName(options?: object): string {
    return backendOf(options).key;
  }

  override createConnection(options: object, done?: (error: Error | null, stream: Duplex) => void): undefined {
    backendOf(options)
      .open()
      .then(
        (stream) => {
          stream.once('close', () => this.#forget(stream));
          done?.(null, 'ref' in stream ? stream : Object.assign(stream, { ref() {} })); // Node counts on it
        },
        (error: Error) => done?.(error, undefined as unknown as Duplex), // Node looks at the error first
      );
    return undefined;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const keepMs = this.#keepMs.get(socket) ?? defaultIdleMs;
    // Bytes that no request asked for would be taken for the answer to the next one.
    if (socket.readableLength > 0 || keepMs <= 0 || this.#idle.size >= maxIdleAll) return false;
    const timer = setTimeout(() => socket.destroy(), keepMs).unref();
    this.#idle.set(socket, timer);
    return true;
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.#forget(socket);
    super.reuseSocket(socket, request);
  }

  [Symbol.dispose](): void {
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    this.destroy();
  }

  #forget(socket: Duplex): void {
    clearTimeout(this.#idle.get(socket));
    this.#idle.delete(socket);
  }
}

/** Requests reach this agent only by {@link ProxyConnections.through}. */
function backendOf(options: object | undefined): PooledBackend {
  return (options as { backend: PooledBackend }).backend;
}
