import type { ClientHttp2Session } from 'node:http2';
import type { Logger } from '../lib/log.ts';
import { type ClientConfig, currentOf } from './client-config.ts';
import { ConnectionError } from './connection-error.ts';
import { Deadline, orAborted, pause } from './deadline.ts';
import { openSession, type SessionCredentials } from './open-session.ts';

/** Go's HTTP/2 transport, as upstream's clients set it: a ping when idle for 30 s, 15 s for its answer. */
const pingIntervalMs = 30_000;
const pingTimeoutMs = 15_000;
const firstBackoffMs = 50;
const maxBackoffMs = 5_000;
/** Watches leave this many of a connection's streams to calls; upstream's server allows 100 streams on one. */
const streamsKeptForCalls = 20;
/** What we assume until told: a server that sets no limit in SETTINGS has none. */
const maxStreamsAssumed = 1_000;

/** One connection that new streams may use, as long as it is in the pool. */
interface PooledSession {
  readonly session: ClientHttp2Session;
  readonly credentials: SessionCredentials;
  streams: number;
  /** Ends each watch on it without an error. */
  readonly watches: Set<() => void>;
  idleTimer: NodeJS.Timeout | undefined;
}

/** The use of a connection by one stream. */
export interface Lease {
  readonly session: ClientHttp2Session;
  release(): void;
}

/**
 * The connections to one API server: one, shared by all calls, and more only when a server's limit of streams is reached.
 * A connection that breaks or gets GOAWAY leaves the pool; the next call opens another one, after a jittered back-off when the last attempt failed.
 */
export class SessionPool implements AsyncDisposable {
  readonly #config: ClientConfig;
  readonly #url: URL;
  readonly #log: Logger | undefined;
  readonly #live = new Set<PooledSession>();
  /** All that are not closed yet, draining ones included. */
  readonly #all = new Set<PooledSession>();
  #opening: Promise<PooledSession> | undefined;
  #failures = 0;
  readonly #closing = new AbortController();

  constructor(config: ClientConfig, url: URL) {
    this.#config = config;
    this.#url = url;
    this.#log = config.log;
  }

  /** How many connections are open, draining ones included. */
  get size(): number {
    return this.#all.size;
  }

  /**
   * A connection for one more stream. `endWatch` marks the stream as a watch and is called when the connection is to drain.
   * @throws {ConnectionError} phase `connect`
   */
  async lease({ signal, endWatch }: { signal: AbortSignal; endWatch?: () => void }): Promise<Lease> {
    const credentials = this.#credentials();
    for (;;) {
      if (this.#closing.signal.aborted) throw this.#closedError();
      const found = this.#find(credentials, endWatch !== undefined);
      if (found) return this.#take(found, endWatch);
      this.#opening ??= this.#open(credentials).finally(() => {
        this.#opening = undefined;
      });
      await orAborted(this.#opening, signal);
    }
  }

  /** The next call opens a new connection; calls on the present ones end in peace, watches on them are ended. */
  rotate(): void {
    for (const pooled of [...this.#live]) this.#drain(pooled);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(this.#closedError());
    const closed = [...this.#all].map(
      ({ session }) =>
        new Promise<void>(
          (resolve) => void (session.closed && session.destroyed ? resolve() : session.once('close', resolve)),
        ),
    );
    for (const pooled of [...this.#all]) {
      this.#drain(pooled);
      pooled.session.destroy();
    }
    await Promise.all(closed);
    await this.#opening?.catch(() => {});
  }

  #credentials(): SessionCredentials {
    return { ca: currentOf(this.#config.ca), certificate: currentOf(this.#config.certificate) };
  }

  #find(wanted: SessionCredentials, isWatch: boolean): PooledSession | undefined {
    for (const pooled of [...this.#live]) {
      if (!sameCredentials(pooled.credentials, wanted)) this.#drain(pooled);
      else if (pooled.streams < limitOf(pooled.session, isWatch)) return pooled;
    }
    return undefined;
  }

  #take(pooled: PooledSession, endWatch: (() => void) | undefined): Lease {
    pooled.streams++;
    clearTimeout(pooled.idleTimer);
    if (endWatch) pooled.watches.add(endWatch);
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      pooled.streams--;
      if (endWatch) pooled.watches.delete(endWatch);
      if (pooled.streams === 0) this.#startIdleTimer(pooled);
    };
    return { session: pooled.session, release };
  }

  #startIdleTimer(pooled: PooledSession): void {
    if (!this.#live.has(pooled)) return;
    pooled.idleTimer = setTimeout(() => this.#drain(pooled), this.#config.idleTimeoutMs ?? 90_000);
    pooled.idleTimer.unref();
  }

  async #open(credentials: SessionCredentials): Promise<PooledSession> {
    const closing = this.#closing.signal;
    if (this.#failures > 0) await pause(backoffMs(this.#failures), closing);
    const ms = this.#config.connectTimeoutMs ?? 10_000;
    using deadline = new Deadline({
      ms,
      signal: closing,
      onTimeout: () => new Error(`no answer within ${ms / 1000} s`),
    });
    try {
      const { serverName, dial } = this.#config;
      const session = await openSession(this.#url, credentials, { serverName, dial, signal: deadline.signal });
      this.#failures = 0;
      return this.#add(session, credentials);
    } catch (error) {
      this.#failures++;
      throw error;
    }
  }

  #add(session: ClientHttp2Session, credentials: SessionCredentials): PooledSession {
    const pooled: PooledSession = { session, credentials, streams: 0, watches: new Set(), idleTimer: undefined };
    if (this.#closing.signal.aborted) {
      session.destroy();
      throw this.#closedError();
    }
    this.#live.add(pooled);
    this.#all.add(pooled);
    const pinger = setInterval(() => this.#ping(pooled), pingIntervalMs);
    pinger.unref();
    // Node closes the session gracefully on GOAWAY without an error: streams the server accepted finish, the others are refused.
    session.once('goaway', () => this.#live.delete(pooled));
    session.once('close', () => {
      clearInterval(pinger);
      clearTimeout(pooled.idleTimer);
      this.#live.delete(pooled);
      this.#all.delete(pooled);
    });
    this.#startIdleTimer(pooled);
    return pooled;
  }

  #ping({ session, streams }: PooledSession): void {
    if (session.destroyed || streams === 0) return;
    const timer = setTimeout(() => {
      this.#log?.warn('API server does not answer pings', { server: this.#url.origin });
      session.destroy(new Error(`no answer to a ping within ${pingTimeoutMs / 1000} s`));
    }, pingTimeoutMs);
    timer.unref();
    // Called with an error where the session ends before the answer.
    session.ping(() => clearTimeout(timer));
  }

  #drain(pooled: PooledSession): void {
    this.#live.delete(pooled);
    clearTimeout(pooled.idleTimer);
    for (const endWatch of [...pooled.watches]) endWatch();
    pooled.session.close();
  }

  #closedError(): ConnectionError {
    return new ConnectionError(`The client of ${this.#url.origin} was closed`, {
      server: this.#url.origin,
      phase: 'connect',
    });
  }
}

function sameCredentials(a: SessionCredentials, b: SessionCredentials): boolean {
  return (
    a.ca === b.ca &&
    a.certificate?.certificate === b.certificate?.certificate &&
    a.certificate?.key === b.certificate?.key
  );
}

function limitOf(session: ClientHttp2Session, isWatch: boolean): number {
  const limit = Math.min(session.remoteSettings.maxConcurrentStreams ?? maxStreamsAssumed, maxStreamsAssumed);
  return isWatch ? Math.max(1, limit - streamsKeptForCalls) : limit;
}

function backoffMs(failures: number): number {
  const full = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (failures - 1));
  return full * (0.5 + Math.random() / 2);
}
