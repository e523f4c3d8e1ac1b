import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { separateIdentityHeaders } from '../auth/identity-headers.ts';
import type { Body, EventSink, Exchange, Headers, SharedBytes, Upgrade } from './exchange.ts';
import { ExchangeBase } from './exchange-base.ts';
import { readBody } from './request-body.ts';
import { byteLength } from './shared-bytes.ts';
import { writeParts } from './write-parts.ts';

/** An exchange over HTTP/1.1. */
export class Http1Exchange extends ExchangeBase implements Exchange {
  readonly upgrade: Upgrade | undefined;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  /** `response` is bound to the socket, also for an upgrade: a refusal is an ordinary answer. */
  constructor(request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade) {
    super({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: separateIdentityHeaders(request.headers, request.rawHeaders),
      socket: request.socket as TLSSocket, // the listener speaks TLS only
    });
    this.#request = request;
    this.#response = response;
    this.upgrade = upgrade;
    response.on('close', () => this.closed());
  }

  get responded(): boolean {
    return this.#response.headersSent;
  }

  body(): Promise<Uint8Array> {
    const { headers } = this.#request;
    const empty = headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
    if (empty) return Promise.resolve(new Uint8Array());
    return readBody(this.#request, headers['content-length']);
  }

  bodyStream(): Readable {
    return this.#request;
  }

  respond(status: number, headers: Headers, body: Body = ''): void {
    const whole = typeof body === 'string' || body instanceof Uint8Array;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : whole ? body.length : byteLength(body);
    this.#writeHead(status, { ...headers, 'content-length': length });
    this.onBody?.(body);
    if (this.method === 'HEAD') this.#response.end();
    else if (whole) this.#response.end(body);
    else {
      writeParts(this.#response, body);
      this.#response.end();
    }
  }

  stream(status: number, headers: Headers): Writable {
    this.#writeHead(status, headers);
    this.#response.flushHeaders();
    return this.#response;
  }

  events(status: number, headers: Headers): EventSink {
    this.stream(status, headers);
    return new Http1EventSink(this.#response, this.#response.socket);
  }

  closeConnection(): void {
    if (!this.#response.headersSent) this.#response.setHeader('connection', 'close');
  }

  #writeHead(status: number, headers: Headers): void {
    for (const fields of [this.answerHeaders, headers]) {
      for (const name in fields) {
        const value = fields[name];
        if (value !== undefined) this.#response.setHeader(name, value);
      }
    }
    this.#response.statusCode = status;
    this.headSent(status);
  }
}

/**
 * Writes ready-made chunks to the socket, past the response, which would frame them again for each watcher.
 * The response still writes the last chunk.
 */
class Http1EventSink implements EventSink {
  readonly #response: ServerResponse;
  /** Absent while an earlier answer of a pipelining client is under way, and on HTTP/1.0. */
  readonly #direct: Writable | undefined;

  constructor(response: ServerResponse, socket: Writable | null) {
    this.#response = response;
    this.#direct = response.chunkedEncoding && socket ? socket : undefined;
  }

  write(shared: SharedBytes): boolean {
    if (this.#response.destroyed || this.#response.writableEnded) return true; // `onClose` tells
    return this.#direct ? writeParts(this.#direct, shared.chunk) : writeParts(this.#response, shared.parts);
  }

  end(): void {
    this.#response.end();
  }

  cut(): void {
    this.#response.destroy();
  }

  onDrain(listener: () => void): void {
    const emitter = this.#direct ?? this.#response;
    emitter.on('drain', listener);
    this.#response.once('close', () => emitter.off('drain', listener));
  }

  onClose(listener: () => void): void {
    if (this.#response.destroyed) queueMicrotask(listener);
    else this.#response.once('close', listener);
  }
}
