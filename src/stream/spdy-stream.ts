import { Duplex } from 'node:stream';
import { resetStatus } from '../wire/spdy/frame.ts';
import type { SpdyHeaders } from '../wire/spdy/header-block.ts';

/** What a stream asks of its session. */
export interface SpdyStreamOwner {
  /** Sends DATA; calls back when the transport takes more. */
  write(stream: SpdyStream, chunk: Uint8Array, done: (error?: Error) => void): void;
  /** Sends the end of this side. */
  finish(stream: SpdyStream, done: (error?: Error) => void): void;
  /** The reader of `stream` wants more. */
  wants(stream: SpdyStream): void;
  /** The stream is destroyed here: resets it at the peer with `status` where that has not ended it already. */
  release(stream: SpdyStream, status: number): void;
}

/**
 * One stream of a SPDY session. Both directions end by themselves: `end()` sends FIN, the peer's FIN (or its reset with CANCEL,
 * which Go peers send to finish) ends the readable side after the last byte. Destroying it resets it at the peer.
 */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #owner: SpdyStreamOwner;
  #endOnDestroy = false;
  #inboundEnded = false;
  #outboundEnded = false;
  /** Why writes fail now: the peer reset the stream or the session is over. */
  #writeError: Error | undefined;

  constructor(options: { id: number; headers: SpdyHeaders; owner: SpdyStreamOwner; bufferBytes: number }) {
    super({ allowHalfOpen: true, readableHighWaterMark: options.bufferBytes, writableHighWaterMark: 64 * 1024 });
    this.id = options.id;
    this.headers = options.headers;
    this.#owner = options.owner;
    // A lost connection fails all its streams, also those that nobody reads or writes any more. Who does, sees the error there.
    this.on('error', () => {});
  }

  /** Whether the peer has ended its side. */
  get inboundEnded(): boolean {
    return this.#inboundEnded;
  }

  /** Whether both sides have ended: nothing more will be said about this stream. */
  get over(): boolean {
    return this.#inboundEnded && this.#outboundEnded;
  }

  /**
   * From now on destroying the stream ends this side instead of resetting it, and drops what the peer still sends: a Go client whose stdin
   * is reset complains, one whose stdin is ended stops.
   */
  endOnDestroy(): void {
    this.#endOnDestroy = true;
  }

  /** Session only: bytes from the peer. Returns false when the buffer is full. */
  receive(payload: Uint8Array): boolean {
    if (this.#inboundEnded || this.destroyed || payload.length === 0) return true;
    return this.push(payload);
  }

  /** Session only: the peer sends no more. */
  receiveEnd(): void {
    if (this.#inboundEnded) return;
    this.#inboundEnded = true;
    if (!this.destroyed) this.push(null);
  }

  /** Session only: the peer reset the stream. What it sent before can still be read if it only cancelled. */
  receiveReset(status: number): void {
    this.#outboundEnded = true;
    this.#writeError = new Error(`SPDY stream ${this.id} was reset by the peer: ${nameOfReset(status)}`);
    if (status === resetStatus.cancel) {
      this.receiveEnd();
    } else {
      this.#inboundEnded = true;
      this.destroy(this.#writeError);
    }
  }

  /** Session only: the connection is gone. What was received whole can still be read. */
  receiveLoss(error: Error): void {
    this.#outboundEnded = true;
    this.#writeError = error;
    if (!this.#inboundEnded) {
      this.#inboundEnded = true;
      this.destroy(error);
    }
  }

  override _read(): void {
    this.#owner.wants(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#writeError) done(this.#writeError);
    else this.#owner.write(this, chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#writeError || this.#outboundEnded) {
      done();
      return;
    }
    this.#outboundEnded = true;
    this.#owner.finish(this, (error) => done(error));
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#endOnDestroy && !error && !this.#outboundEnded) {
      this.#outboundEnded = true;
      this.#owner.finish(this, () => {});
      this.#owner.wants(this);
    } else if (!this.#endOnDestroy || error) {
      this.#owner.release(this, error ? resetStatus.internalError : resetStatus.cancel);
    } else {
      this.#owner.wants(this);
    }
    done(error);
  }
}

function nameOfReset(status: number): string {
  return Object.entries(resetStatus).find(([, code]) => code === status)?.[0] ?? `status ${status}`;
}
