import type { OutgoingHttpHeaders } from 'node:http2';
import { ConfigError } from '../lib/config-error.ts';
import type { Counter } from '../lib/metrics.ts';
import type { CallOptions, RawRequest, RawResponse } from './client.ts';
import { type ClientConfig, currentOf } from './client-config.ts';
import { ConnectionError } from './connection-error.ts';
import { Deadline, pause } from './deadline.ts';
import { broken, cancel, openExchange, readBody } from './exchange.ts';
import { LineDecoder } from './line-decoder.ts';
import { SessionPool } from './session-pool.ts';

/** As client-go: an answer with Retry-After is tried again at most this often. */
const maxServerRetries = 10;
/** How often a call whose connection broke is tried again. */
const maxConnectionRetries = 3;
const maxWatchLineBytes = 32 << 20;
const defaultMaxBodyBytes = 256 << 20;

/** Requests to one API server with credentials, deadlines and retries; knows nothing of objects. */
export class Transport implements AsyncDisposable {
  readonly server: string;
  readonly #prefix: string;
  readonly #config: ClientConfig;
  readonly #pool: SessionPool;
  readonly #requests: Counter<string> | undefined;
  readonly #host: string;

  constructor(config: ClientConfig) {
    const url = parseServer(config.server);
    this.server = url.origin;
    this.#host = url.host;
    this.#prefix = url.pathname.replace(/\/+$/, '');
    this.#config = config;
    this.#pool = new SessionPool(config, url);
    this.#requests = config.metrics?.counter({
      name: 'rest_client_requests_total',
      help: 'Number of HTTP requests, partitioned by status code, method, and host.',
      labels: ['code', 'method', 'host'],
    });
  }

  /** Any request; retried as far as that is safe. */
  async call(request: RawRequest, options: CallOptions = {}): Promise<RawResponse> {
    const { server } = this;
    using deadline = this.#deadline(request, options);
    return await this.#retrying(request, deadline.signal, async () => {
      const { signal } = deadline;
      const lease = await this.#pool.lease({ signal });
      try {
        const body = request.body;
        const opened = await openExchange(lease.session, this.#headers(request), { server, body, signal });
        return await readBody(opened, {
          server,
          signal,
          maxBodyBytes: this.#config.maxBodyBytes ?? defaultMaxBodyBytes,
        });
      } finally {
        lease.release();
      }
    });
  }

  /**
   * The lines of an endless answer, with back-pressure, until the server ends it or the connection is to drain.
   * @throws `toError(answer)` if the answer is no success, {ConnectionError} if the connection breaks
   */
  async *lines(
    request: RawRequest,
    options: CallOptions & { toError: (answer: RawResponse) => Error },
  ): AsyncGenerator<string, void, undefined> {
    const { server } = this;
    using deadline = this.#deadline(request, options);
    const { signal } = deadline;
    let drained = false;
    let cut = () => {};
    const endWatch = () => {
      drained = true;
      cut();
    };
    const lease = await this.#pool.lease({ signal, endWatch });
    try {
      const opened = await openExchange(lease.session, this.#headers(request), { server, body: undefined, signal });
      this.#count(request, opened.status);
      if (opened.status !== 200)
        throw options.toError(await readBody(opened, { server, signal, maxBodyBytes: 1 << 20 }));
      deadline.lift();
      const { stream } = opened;
      cut = () => cancel(stream);
      if (drained) return;
      const onAbort = () => cancel(stream);
      signal.addEventListener('abort', onAbort, { once: true });
      let whole = false;
      const decoder = new LineDecoder({ maxLineBytes: maxWatchLineBytes });
      try {
        for await (const chunk of stream) {
          for (const line of decoder.push(chunk as Buffer)) yield line; // An HTTP/2 stream without encoding gives Buffers.
        }
        whole = stream.rstCode === 0 && decoder.unfinishedBytes === 0;
      } catch (error) {
        if (drained) return;
        throw signal.aborted ? signal.reason : broken(server, error);
      } finally {
        signal.removeEventListener('abort', onAbort);
        cancel(stream);
      }
      signal.throwIfAborted();
      if (!drained && !whole) throw broken(server, undefined);
    } finally {
      lease.release();
    }
  }

  /** Lets the present connections drain and ends their watches; see `SessionPool.rotate`. */
  rotate(): void {
    this.#pool.rotate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }

  async #retrying(request: RawRequest, signal: AbortSignal, attempt: () => Promise<RawResponse>): Promise<RawResponse> {
    for (let broke = 0, told = 0; ; ) {
      try {
        const answer = await attempt();
        this.#count(request, answer.status);
        const waitMs = retryAfterMs(answer);
        if (waitMs === undefined || told++ >= maxServerRetries) return answer;
        await pause(waitMs, signal);
      } catch (error) {
        if (!(error instanceof ConnectionError) || signal.aborted) throw error;
        const safe = error.phase === 'refused' || (error.phase === 'broken' && isIdempotent(request));
        if (!safe || broke++ >= maxConnectionRetries) throw error;
      }
    }
  }

  #deadline({ method, path }: RawRequest, { signal, timeoutMs }: CallOptions): Deadline {
    const ms = timeoutMs ?? this.#config.timeoutMs ?? 32_000;
    const what = `${method} ${path.split('?')[0]}`;
    const onTimeout = () =>
      new ConnectionError(`${what}: no complete answer from the API server at ${this.server} within ${ms / 1000} s`, {
        server: this.server,
        phase: 'timeout',
      });
    return new Deadline({ ms, signal, onTimeout });
  }

  #headers({ method, path, headers }: RawRequest): OutgoingHttpHeaders {
    const token = currentOf(this.#config.token);
    return {
      ':method': method,
      ':path': `${this.#prefix}${path}`,
      'user-agent': this.#config.userAgent ?? 'fairlead',
      accept: 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    };
  }

  #count({ method }: RawRequest, status: number): void {
    this.#requests?.inc({ code: String(status), method, host: this.#host });
  }
}

function parseServer(server: string): URL {
  const url = URL.parse(server);
  if (url?.protocol !== 'https:') {
    throw new ConfigError(`Cannot use API server "${server}": expected https://host:port`);
  }
  return url;
}

/** 429 and 5xx are tried again only where the server says when. */
function retryAfterMs({ status, headers }: RawResponse): number | undefined {
  const retryAfter = headers['retry-after'];
  if ((status !== 429 && status < 500) || typeof retryAfter !== 'string' || !/^\d{1,4}$/.test(retryAfter))
    return undefined;
  return Number(retryAfter) * 1000;
}

function isIdempotent({ method }: RawRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}
