import type { Duplex } from 'node:stream';
import { asError } from '../lib/error-message.ts';
import { ProtocolError } from '../lib/protocol-error.ts';
import { SpdyDecoder } from '../wire/spdy/decoder.ts';
import {
  encodeDataHead,
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  encodeSynStream,
  resetStatus,
  type SpdyFrame,
} from '../wire/spdy/frame.ts';
import { HeaderBlockEncoder, type SpdyHeaders } from '../wire/spdy/header-block.ts';
import { endTransport } from './end-transport.ts';
import { SpdyStream, type SpdyStreamOwner } from './spdy-stream.ts';

export interface SpdySessionOptions {
  /** Clients open streams with odd ids. Kubernetes' servers never open any. */
  readonly role: 'client' | 'server';
  /** Bytes that came behind the upgrade. */
  readonly head?: Uint8Array;
  /** The peer opens a stream: accept or refuse it before returning. @default refuses all */
  readonly onStream?: (offer: SpdyOffer) => void;
  /** Keeps load balancers and NAT entries from dropping an idle connection; 0 sends none. @default 5000 */
  readonly pingIntervalMs?: number;
  /** Ends a session that received nothing for so long. @default 4 hours, upstream's */
  readonly idleTimeoutMs?: number;
  /** How much one stream holds for a slow reader before the whole connection waits. @default 256 KiB */
  readonly streamBufferBytes?: number;
  /** @default 2000 */
  readonly maxStreams?: number;
}

/** A stream that the peer wants to open. What is neither accepted nor refused when the callback returns is refused. */
export interface SpdyOffer {
  readonly streamId: number;
  readonly headers: SpdyHeaders;
  /** Replies at once. The stream has to be read or destroyed. */
  accept(): SpdyStream;
  refuse(status: number): void;
}

const maxDataBytes = 256 * 1024;
/** How long the peer may take to reply to a new stream, as in upstream's clients. */
const replyTimeoutMs = 30_000;

/**
 * SPDY/3.1 as Kubernetes speaks it, over any byte stream.
 *
 * SPDY has no flow control here, so back-pressure is the transport's: each stream buffers up to `streamBufferBytes` for its
 * reader, and when one is full nothing is read from the transport until that reader goes on. The memory of a session is thus bounded
 * by its streams; one stalled reader stalls the connection, as with upstream's peers, and never loses a byte.
 */
export class SpdySession implements AsyncDisposable {
  readonly #transport: Duplex;
  readonly #options: SpdySessionOptions;
  readonly #decoder = new SpdyDecoder();
  readonly #encoder = new HeaderBlockEncoder();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #opening = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #full = new Set<SpdyStream>();
  readonly #owner: SpdyStreamOwner;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  #waiting: ((error?: Error) => void)[] = [];
  #nextStreamId: number;
  #nextPingId: number;
  #lastPeerStreamId = 0;
  #lastReceivedMs = performance.now();
  #closing: Promise<void> | undefined;
  #over = false;

  constructor(transport: Duplex, options: SpdySessionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#nextStreamId = options.role === 'client' ? 1 : 2;
    this.#nextPingId = this.#nextStreamId;
    this.#owner = {
      write: (stream, chunk, done) => this.#writeData(stream, chunk, done),
      finish: (stream, done) => this.#writeFin(stream, done),
      wants: (stream) => this.#resume(stream),
      release: (stream, status) => this.#release(stream, status),
    };
    const pingIntervalMs = options.pingIntervalMs ?? 5000;
    if (pingIntervalMs > 0) {
      this.#timer = setInterval(() => this.#tick(), pingIntervalMs);
      this.#timer.unref();
    }
    transport.on('error', (error) => this.#end(error));
    transport.on('close', () => this.#end(undefined));
    transport.on('end', () => this.#end(undefined));
    transport.on('drain', () => this.#drained());
    if (options.head && options.head.length > 0) transport.unshift(options.head);
    transport.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Aborts when the connection is over, for whatever reason; the reason is the error that ended it. */
  get closed(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Opens a stream and waits for the peer's reply.
   * @throws where the peer refuses it, the connection ends or `signal` aborts
   */
  async open(headers: SpdyHeaders, options: { signal?: AbortSignal } = {}): Promise<SpdyStream> {
    if (this.#over || this.#closing) throw new Error('The SPDY session is over', { cause: this.#lost.signal.reason });
    options.signal?.throwIfAborted();
    const id = this.#nextStreamId;
    this.#nextStreamId += 2;
    const stream = this.#createStream(id, headers);
    const replied = Promise.withResolvers<void>();
    this.#opening.set(id, replied);
    const abandon = () => replied.reject(asError(options.signal?.reason));
    options.signal?.addEventListener('abort', abandon, { once: true });
    const deadline = setTimeout(() => {
      replied.reject(new Error(`no reply to a new SPDY stream within ${replyTimeoutMs} ms`));
    }, replyTimeoutMs);
    this.#transport.write(encodeSynStream(id, this.#encoder.encode(headers)));
    try {
      await replied.promise;
      return stream;
    } catch (error) {
      stream.destroy();
      throw error;
    } finally {
      clearTimeout(deadline);
      this.#opening.delete(id);
      options.signal?.removeEventListener('abort', abandon);
    }
  }

  /** Says GOAWAY behind everything written so far, ends the transport and waits until the peer has taken it all, or 10 s. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Ends the connection at once, as after an error of the peer. */
  destroy(error?: Error): void {
    this.#end(error);
    this.#transport.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (!this.#over) {
      this.#transport.write(encodeGoAway(this.#lastPeerStreamId, 0));
      this.#full.clear();
      this.#transport.resume(); // what still comes is dropped; unread it would turn our FIN into a reset
    }
    await endTransport(this.#transport);
    this.#end(undefined);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#lastReceivedMs = performance.now();
    try {
      for (const frame of this.#decoder.decode(chunk)) this.#handle(frame);
    } catch (error) {
      this.destroy(asError(error));
      return;
    }
    if (this.#full.size > 0 && !this.#closing) this.#transport.pause();
  }

  #handle(frame: SpdyFrame): void {
    switch (frame.type) {
      case 'data': {
        const stream = this.#streams.get(frame.streamId);
        if (!stream) return; // late data of a stream that is over here: dropped, as by Go's peers
        if (!this.#closing && !stream.receive(frame.payload)) this.#full.add(stream);
        if (frame.fin) this.#inboundEnd(stream);
        return;
      }
      case 'synStream':
        this.#accept(frame);
        return;
      case 'synReply': {
        this.#opening.get(frame.streamId)?.resolve();
        const stream = this.#streams.get(frame.streamId);
        if (stream && frame.fin) this.#inboundEnd(stream);
        return;
      }
      case 'headers': {
        const stream = this.#streams.get(frame.streamId);
        if (stream && frame.fin) this.#inboundEnd(stream);
        return;
      }
      case 'rstStream': {
        this.#opening.get(frame.streamId)?.reject(new Error(`The peer refused the stream (status ${frame.status})`));
        const stream = this.#streams.get(frame.streamId);
        this.#streams.delete(frame.streamId);
        stream?.receiveReset(frame.status);
        return;
      }
      case 'ping':
        // The peer's own ids have the other parity; the same parity is the echo of one of ours.
        if (frame.id % 2 !== this.#nextPingId % 2) this.#transport.write(encodePing(frame.id));
        return;
      case 'goAway':
      case 'settings':
      case 'windowUpdate':
        return; // GOAWAY: the open streams go on until they end or the transport does
    }
  }

  #accept({ streamId, headers, fin, unidirectional }: Extract<SpdyFrame, { type: 'synStream' }>): void {
    if (streamId <= this.#lastPeerStreamId || streamId % 2 === this.#nextStreamId % 2) {
      throw new ProtocolError(`SPDY stream id ${streamId} is out of order`);
    }
    this.#lastPeerStreamId = streamId;
    let answered = false;
    const offer: SpdyOffer = {
      streamId,
      headers,
      accept: () => {
        answered = true;
        const stream = this.#createStream(streamId, headers);
        this.#transport.write(encodeSynReply(streamId, this.#encoder.encode(new Map())));
        if (fin) this.#inboundEnd(stream);
        return stream;
      },
      refuse: (status) => {
        answered = true;
        this.#transport.write(encodeRstStream(streamId, status));
      },
    };
    const admissible = !unidirectional && !this.#closing && this.#streams.size < (this.#options.maxStreams ?? 2000);
    if (admissible) this.#options.onStream?.(offer);
    if (!answered) offer.refuse(resetStatus.refusedStream);
  }

  #createStream(id: number, headers: SpdyHeaders): SpdyStream {
    const bufferBytes = this.#options.streamBufferBytes ?? 256 * 1024;
    const stream = new SpdyStream({ id, headers, owner: this.#owner, bufferBytes });
    this.#streams.set(id, stream);
    return stream;
  }

  #inboundEnd(stream: SpdyStream): void {
    stream.receiveEnd();
    if (stream.over) this.#streams.delete(stream.id);
  }

  #writeData(stream: SpdyStream, chunk: Uint8Array, done: (error?: Error) => void): void {
    let room = true;
    this.#transport.cork();
    for (let from = 0; from < chunk.length; from += maxDataBytes) {
      const part = chunk.subarray(from, from + maxDataBytes);
      this.#transport.write(encodeDataHead(stream.id, part.length, { fin: false }));
      room = this.#transport.write(part);
    }
    this.#transport.uncork();
    this.#whenRoom(room, done);
  }

  #writeFin(stream: SpdyStream, done: (error?: Error) => void): void {
    if (stream.over) this.#streams.delete(stream.id);
    this.#whenRoom(this.#transport.write(encodeDataHead(stream.id, 0, { fin: true })), done);
  }

  #whenRoom(room: boolean, done: (error?: Error) => void): void {
    if (this.#over) done(asError(this.#lost.signal.reason));
    else if (room) done();
    else this.#waiting.push(done);
  }

  #drained(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }

  #resume(stream: SpdyStream): void {
    if (this.#full.delete(stream) && this.#full.size === 0) this.#transport.resume();
  }

  #release(stream: SpdyStream, status: number): void {
    this.#resume(stream);
    if (!this.#streams.delete(stream.id) || this.#over) return;
    this.#transport.write(encodeRstStream(stream.id, status));
  }

  #tick(): void {
    const idleMs = performance.now() - this.#lastReceivedMs;
    if (idleMs > (this.#options.idleTimeoutMs ?? 4 * 3600 * 1000)) {
      this.destroy(new Error('The SPDY session was idle for too long'));
    } else if (!this.#closing && !this.#transport.writableNeedDrain) {
      this.#transport.write(encodePing(this.#nextPingId));
      this.#nextPingId += 2;
    }
  }

  #end(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    const reason = error ?? new Error('The SPDY connection ended');
    for (const { reject } of this.#opening.values()) reject(reason);
    for (const stream of this.#streams.values()) stream.receiveLoss(reason);
    this.#streams.clear();
    this.#full.clear();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done(reason);
    this.#lost.abort(reason);
    if (!this.#closing) {
      this.#closing = endTransport(this.#transport);
      this.#transport.resume();
    }
  }
}
