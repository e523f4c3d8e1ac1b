import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Readable, Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { separateIdentityHeaders } from '../auth/identity-headers.ts';
import type { Body, EventSink, Exchange, Headers, SharedBytes, Upgrade } from './exchange.ts';
import { ExchangeBase } from './exchange-base.ts';
import { readBody } from './request-body.ts';
import { writeParts } from './write-parts.ts';

/** An exchange on one HTTP/2 stream, through the bare stream API. */
export class Http2Exchange extends ExchangeBase implements Exchange {
  readonly upgrade: Upgrade | undefined = undefined;
  readonly #stream: ServerHttp2Stream;
  readonly #session: ServerHttp2Session;

  /** @param rawHeaders name, value, name, value … as they came */
  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    socket: TLSSocket,
  ) {
    super({
      method: headers[':method'] ?? '',
      url: headers[':path'] ?? '',
      headers: separateIdentityHeaders(headers, rawHeaders),
      socket,
    });
    this.#stream = stream;
    // A server stream has a session from its first event on.
    this.#session = stream.session as ServerHttp2Session;
    stream.on('close', () => this.closed());
  }

  get responded(): boolean {
    return this.status !== 0;
  }

  body(): Promise<Uint8Array> {
    return readBody(this.#stream, this.headers['content-length'] as string | undefined);
  }

  bodyStream(): Readable {
    return this.#stream;
  }

  respond(status: number, headers: Headers, body: Body = ''): void {
    this.headSent(status);
    if (this.#stream.closed || this.#stream.destroyed) return;
    const bodiless = body.length === 0 || this.method === 'HEAD';
    this.#stream.respond({ ':status': status, ...this.answerHeaders, ...headers }, { endStream: bodiless });
    if (bodiless) return;
    this.onBody?.(body);
    if (typeof body === 'string' || body instanceof Uint8Array) this.#stream.end(body);
    else {
      writeParts(this.#stream, body);
      this.#stream.end();
    }
  }

  stream(status: number, headers: Headers): Writable {
    this.headSent(status);
    if (!this.#stream.closed && !this.#stream.destroyed) {
      this.#stream.respond({ ':status': status, ...this.answerHeaders, ...headers });
    }
    return this.#stream;
  }

  events(status: number, headers: Headers): EventSink {
    this.stream(status, headers);
    return new Http2EventSink(this.#stream);
  }

  closeConnection(): void {
    this.#session.close();
  }
}

class Http2EventSink implements EventSink {
  readonly #stream: ServerHttp2Stream;

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream;
  }

  write({ parts }: SharedBytes): boolean {
    if (this.#stream.destroyed || this.#stream.closed) return true; // `onClose` tells
    return writeParts(this.#stream, parts);
  }

  end(): void {
    if (!this.#stream.destroyed) this.#stream.end();
  }

  cut(): void {
    this.#stream.close(0x8); // CANCEL
  }

  onDrain(listener: () => void): void {
    this.#stream.on('drain', listener);
  }

  onClose(listener: () => void): void {
    if (this.#stream.destroyed) queueMicrotask(listener);
    else this.#stream.once('close', listener);
  }
}
