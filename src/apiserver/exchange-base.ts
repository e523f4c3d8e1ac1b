import type { TLSSocket } from 'node:tls';
import type { Body, Headers, HeaderValue } from './exchange.ts';
import { decodePath } from './request-info.ts';

const noQuery = new URLSearchParams();
/** One for all: every request ends with it, and making one takes longer than most of the pipeline. */
const clientGone = new DOMException('The client went away', 'AbortError');

/** What HTTP/1.1 and HTTP/2 exchanges share: the target, answer headers, and the signal. */
export abstract class ExchangeBase {
  readonly method: string;
  readonly url: string;
  readonly path: string;
  readonly socket: TLSSocket;
  #headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly #rawQuery: string;
  #query: URLSearchParams | undefined;
  #abort: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #closed = false;
  protected readonly answerHeaders: Headers = {};
  /** The answer's status, once its head is sent; 0 before. */
  status = 0;
  /** Called when the head of the answer is sent. */
  onHead: ((status: number) => void) | undefined;
  /** Called with a whole answer, before it is sent: for the audit log. */
  onBody: ((body: Body) => void) | undefined;

  /** @throws {ApiError} `BadRequest` for a path that is not canonical */
  constructor(init: {
    method: string;
    url: string;
    headers: Readonly<Record<string, string | string[] | undefined>>;
    socket: TLSSocket;
  }) {
    this.method = init.method;
    this.url = init.url;
    this.#headers = init.headers;
    this.socket = init.socket;
    const mark = init.url.indexOf('?');
    this.#rawQuery = mark < 0 ? '' : init.url.slice(mark + 1);
    this.path = decodePath(mark < 0 ? init.url : init.url.slice(0, mark));
  }

  get headers(): Readonly<Record<string, string | string[] | undefined>> {
    return this.#headers;
  }

  /** Credentials go no further than to who judged them. */
  removeHeaders(names: readonly string[]): void {
    if (!names.some((name) => name in this.#headers)) return;
    const kept = { ...this.#headers };
    for (const name of names) delete kept[name];
    this.#headers = kept;
  }

  get query(): URLSearchParams {
    if (this.#rawQuery === '') return noQuery;
    this.#query ??= new URLSearchParams(this.#rawQuery);
    return this.#query;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#aborted) this.#abort.abort(this.#aborted.reason);
    return this.#abort.signal;
  }

  setHeader(name: string, value: HeaderValue): void {
    this.answerHeaders[name] = value;
  }

  upgraded(): void {
    this.headSent(101);
  }

  protected headSent(status: number): void {
    this.status = status;
    this.onHead?.(status);
  }

  /** The deadline passed, or the server gives up on this request. */
  abort(reason: unknown): void {
    this.#aborted ??= { reason };
    this.#abort?.abort(reason);
  }

  /** The stream is gone; called once by the listener. */
  protected closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.abort(clientGone);
  }
}
