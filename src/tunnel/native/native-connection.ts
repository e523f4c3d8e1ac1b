import { constants, type Http2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import type { QueueHolder } from '../queue-budget.ts';
import type { TunnelStream } from '../tunnel-stream.ts';
import type { SlowReaders } from './slow-readers.ts';

export interface NativeConnectionOptions {
  readonly connectId: bigint;
  /** `host:port`, for people. */
  readonly address: string;
  readonly slowReaders: SlowReaders;
  /** Why the tunnel is over, where it is. */
  readonly loss: () => Error | undefined;
  /** Called once, when nothing more is read or written. */
  readonly onClose: (connection: NativeConnection) => void;
}

/** What waits in each direction beside the stream's own window; a pause costs a turn, not a round trip. */
const bufferBytes = 64 * 1024;
/** While bytes are still to be delivered before a close, some must move within this time. */
const flushStallMs = 60_000;

const { NGHTTP2_NO_ERROR: noError, NGHTTP2_CANCEL: cancel, NGHTTP2_CONNECT_ERROR: connectError } = constants;

/**
 * One tunnelled connection on an HTTP/2 stream of its own, at either end: see `native-protocol.ts` for its ways to end. This file is the state
 * machine of a connection and for that reason longer than most.
 */
export class NativeConnection extends Duplex implements TunnelStream, QueueHolder {
  readonly connectId: bigint;
  readonly address: string;
  readonly openedMs = performance.now();
  readonly #stream: Http2Stream;
  readonly #options: NativeConnectionOptions;
  readonly #onFlushed = () => {
    this.#unflushed--;
    this.#sendReset();
  };
  #unflushed = 0;
  /** Calls back whoever wrote more than the stream takes now. */
  #writer: (() => void) | undefined;
  /** Why it fails once all that was received is read. */
  #breakage: Error | undefined;
  #ended = false;
  #closing: 'closed' | 'reset' | undefined;
  #closedByPeer = false;
  #flushTimer: NodeJS.Timeout | undefined;

  /** `stream` must have been answered, and nobody have read from it. */
  constructor(stream: Http2Stream, options: NativeConnectionOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: bufferBytes, writableHighWaterMark: bufferBytes });
    this.connectId = options.connectId;
    this.address = options.address;
    this.#stream = stream;
    this.#options = options;
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.pause();
    stream.on('end', () => {
      this.#ended = true;
      if (!this.destroyed) this.push(null);
      // Node waits for what is left to write, and after a close that never goes out.
      if (stream.closed) stream.destroy();
    });
    stream.on('drain', () => this.#callWriter());
    stream.on('aborted', () => {
      this.#callWriter();
      this.#peerClosed();
    });
    stream.on('error', () => {}); // told by 'close'
    stream.once('close', () => this.#streamClosed());
    if (stream.closed && stream.destroyed) process.nextTick(() => this.#streamClosed());
  }

  get closeError(): string {
    return '';
  }

  get closedByPeer(): boolean {
    return this.#closedByPeer;
  }

  get queuedBytes(): number {
    return this.destroyed ? 0 : this.readableLength + this.#stream.readableLength;
  }

  close(): void {
    this.#close('closed');
  }

  reset(): void {
    this.#close('reset');
  }

  /** The tunnel ends: what was received is still read, then the connection fails with its loss. */
  lose(): void {
    if (!this.#stream.destroyed) this.#breakStream(cancel);
  }

  override _read(): void {
    this.#stream.resume();
  }

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    if (this.#breakage) this.#failWhenRead(this.#breakage);
    return chunk;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    // After a close there is nobody to send to: what is written then is dropped, as a socket's peer would drop it.
    if (!this.#stream.writable || this.#send(chunk)) done();
    else this.#writer = done;
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    if (!this.#stream.writable) {
      done();
      return;
    }
    let room = true;
    this.#stream.cork();
    for (const { chunk } of chunks) room = this.#send(chunk);
    this.#stream.uncork();
    if (room) done();
    else this.#writer = done;
  }

  override _final(done: () => void): void {
    if (this.#closing === 'reset') {
      done();
      this.#sendReset();
      return;
    }
    this.#endStream(() => {
      done();
      if (this.#closing) this.#stream.close(noError);
    });
  }

  /** Without an error, what was handed to the stream is still delivered, as a socket's is. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const stream = this.#stream;
    this.#options.slowReaders.delete(this);
    if (!stream.destroyed) {
      stream.resume();
      if (error) this.#breakStream(cancel);
      else if (this.#closing !== 'reset' && !(this.#ended && this.writableFinished)) {
        this.#closing = 'closed';
        this.#endStream(() => stream.close(noError));
        if (!stream.writableFinished) this.#watchFlush();
      }
    }
    this.#callWriter();
    this.#options.onClose(this);
    done(error);
  }

  #close(how: 'closed' | 'reset'): void {
    if (this.#closing || this.destroyed) return;
    this.#closing = how;
    if (!this.writableEnded) this.end();
    else if (how === 'reset') this.#sendReset();
    else if (this.writableFinished) this.#stream.close(noError);
    if (!this.#stream.destroyed) this.#watchFlush();
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed || this.push(chunk)) return;
    this.#stream.pause();
    this.#options.slowReaders.add(this);
  }

  #send(chunk: Buffer): boolean {
    this.#unflushed++;
    return this.#stream.write(chunk, this.#onFlushed);
  }

  /** A reset goes out behind all bytes. */
  #sendReset(): void {
    const written = this.writableLength === 0 && this.#unflushed === 0;
    if (this.#closing === 'reset' && written) this.#breakStream(connectError);
  }

  /** Node would send an end before the reset, which the peer must not take for one. */
  #breakStream(code: number): void {
    const stream = this.#stream;
    if (!stream.writableEnded) stream._final = (done) => done();
    stream.close(code);
  }

  #endStream(then: () => void): void {
    const stream = this.#stream;
    if (stream.writableFinished || stream.destroyed) then();
    else stream.end(then);
  }

  #callWriter(): void {
    const done = this.#writer;
    this.#writer = undefined;
    done?.();
  }

  #peerClosed(): void {
    if (this.#closedByPeer || this.#closing || this.destroyed) return;
    this.#closedByPeer = true;
    this.emit('peerClose');
  }

  #streamClosed(): void {
    clearInterval(this.#flushTimer);
    this.#callWriter();
    if (this.destroyed) return;
    const { rstCode } = this.#stream;
    const loss = this.#options.loss();
    if (this.#ended && rstCode !== cancel) {
      this.#peerClosed();
      return;
    }
    const reset = Object.assign(new Error(`the connection to ${this.address} was reset`), { code: 'ECONNRESET' });
    if (rstCode === cancel && !loss) {
      this.destroy(reset);
      return;
    }
    // A stream that is destroyed still gives what it had received.
    const rest = this.#stream.read() as Buffer | null;
    if (rest) this.push(rest);
    this.#breakage = loss ?? reset;
    this.#failWhenRead(this.#breakage);
  }

  #failWhenRead(error: Error): void {
    if (this.readableLength === 0) process.nextTick(() => this.destroy(error));
  }

  #watchFlush(): void {
    if (this.#flushTimer) return;
    let before = -1;
    this.#flushTimer = setInterval(() => {
      const left = this.writableLength + this.#stream.writableLength;
      if (left === before) {
        this.#breakStream(cancel);
        this.destroy(new Error(`none of the last ${left} bytes for ${this.address} was taken`));
      }
      before = left;
    }, flushStallMs).unref();
  }
}
