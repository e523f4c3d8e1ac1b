import { constants, type Http2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import type { TunnelStream } from '../tunnel-stream.ts';

export interface NativeConnectionOptions {
  readonly connectId: bigint;
  /** `host:port`, for people. */
  readonly address: string;
  /** Why the tunnel is over, where it is. */
  readonly loss: () => Error | undefined;
  /** Called once, when nothing more is sent or expected. */
  readonly onClose: (connection: NativeConnection) => void;
}

/** While bytes are still to be delivered before a close, some must move within this time. */
const flushStallMs = 60_000;

/** One tunnelled connection on an HTTP/2 stream of its own, at either end: see `native-protocol.ts` for its ways to end. */
export class NativeConnection extends Duplex implements TunnelStream {
  readonly connectId: bigint;
  readonly address: string;
  readonly openedMs = performance.now();
  readonly #stream: Http2Stream;
  readonly #options: NativeConnectionOptions;
  #waiting: (() => void) | undefined;
  #ended = false;
  #closing = false;
  #closed = false;
  #flushTimer: NodeJS.Timeout | undefined;

  constructor(stream: Http2Stream, options: NativeConnectionOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.connectId = options.connectId;
    this.address = options.address;
    this.#stream = stream;
    this.#options = options;
    stream.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) stream.pause();
    });
    stream.pause();
    stream.on('end', () => {
      this.#ended = true;
      if (!this.destroyed) this.push(null);
    });
    stream.on('drain', () => this.#release());
    stream.on('aborted', () => this.#peerClosed());
    stream.on('error', () => {}); // told by 'close'
    stream.once('close', () => this.#streamClosed());
    if (stream.destroyed) process.nextTick(() => this.#streamClosed());
  }

  get closeError(): string {
    return '';
  }

  get closedByPeer(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#closing || this.destroyed) return;
    this.#closing = true;
    if (!this.writableEnded) this.end();
    else if (this.writableFinished) this.#stream.close();
    if (!this.writableFinished) this.#watchFlush();
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // After a close there is nobody to send to: what is written then is dropped, as a socket's peer would drop it.
    if (!this.#stream.writable || this.#stream.write(chunk)) done();
    else this.#waiting = done;
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    if (!this.#stream.writable) {
      done();
      return;
    }
    let room = true;
    this.#stream.cork();
    for (const { chunk } of chunks) room = this.#stream.write(chunk);
    this.#stream.uncork();
    if (room) done();
    else this.#waiting = done;
  }

  override _final(done: () => void): void {
    this.#endStream(() => {
      done();
      if (this.#closing) this.#stream.close();
    });
  }

  /** Without an error, what was handed to the stream is still delivered, as a socket's is. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const stream = this.#stream;
    if (!stream.destroyed) {
      stream.resume();
      if (error) stream.close(constants.NGHTTP2_CANCEL);
      else if (!this.#ended || !this.writableFinished) {
        this.#endStream(() => stream.close());
        if (!stream.writableFinished) this.#watchFlush();
      }
    }
    this.#release();
    this.#options.onClose(this);
    done(error);
  }

  #endStream(then: () => void): void {
    const stream = this.#stream;
    if (stream.writableFinished || stream.destroyed) then();
    else stream.end(then);
  }

  #release(): void {
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.();
  }

  #peerClosed(): void {
    if (this.#closed || this.#closing || this.destroyed) return;
    this.#closed = true;
    this.emit('peerClose');
  }

  #streamClosed(): void {
    clearInterval(this.#flushTimer);
    this.#release();
    const { rstCode } = this.#stream;
    const loss = this.#options.loss();
    if (this.#ended && rstCode === constants.NGHTTP2_NO_ERROR) this.#peerClosed();
    else this.destroy(loss ?? new Error(`the connection to ${this.address} was reset in the tunnel`));
  }

  #watchFlush(): void {
    if (this.#flushTimer || this.#stream.destroyed) return;
    let before = -1;
    this.#flushTimer = setInterval(() => {
      const left = this.writableLength + this.#stream.writableLength;
      if (left === before) {
        this.destroy(new Error(`none of the last ${left} bytes for ${this.address} was taken`));
        this.#stream.close(constants.NGHTTP2_CANCEL);
      }
      before = left;
    }, flushStallMs).unref();
  }
}
