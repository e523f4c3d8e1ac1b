/**
 * One tunnelled connection on a shared packet stream, at either end of it: a byte stream like a socket. This file is the state machine
 * of a connection and for that reason longer than most.
 */
import { Duplex } from 'node:stream';
import { type Extensions, ownWindowBytes } from './extensions.ts';
import type { PacketStream } from './packet-stream.ts';
import type { QueueBudget, QueueHolder } from './queue-budget.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** What holds the connections of one packet stream. */
export interface ConnectionOwner {
  readonly packets: PacketStream;
  readonly budget: QueueBudget;
  /** `undefined` with an upstream peer. */
  readonly extensions: Extensions | undefined;
  /** The server's end closes with `CLOSE_REQ` and waits for the answer; the agent's end closes with `CLOSE_RSP`. */
  readonly role: 'server' | 'agent';
  /** Nothing more is sent or expected for it. */
  forget(connection: TunnelConnection): void;
  /** It held up the others for too long and was closed. */
  onStalled(connection: TunnelConnection): void;
}

export interface ConnectionOptions {
  readonly connectId: bigint;
  /** `host:port`, for people. */
  readonly address: string;
  /**
   * Upstream's protocol cannot say that one direction has ended. The server's end therefore waits with `CLOSE_REQ` until nothing came from the
   * target for so long; zero closes at once. @default 1000
   */
  readonly halfCloseMs?: number;
}

/** As much as upstream's server puts into one packet. */
const maxPieceBytes = 32 * 1024;
const closeAnswerMs = 10_000;
/** While bytes are still to be delivered before a close, some must move within this time. */
const flushStallMs = 60_000;

/**
 * Every byte written before `end()`, `close()` or the peer's close is delivered; `destroy()` drops what waits. With a peer of ours `end()`
 * ends one direction alone (`FIN`) and a window bounds each direction; with an upstream peer the bound is the queue's ({@link QueueBudget}).
 * Emits `peerClose` when the peer closed both directions, which may be after the readable end.
 */
export class TunnelConnection extends Duplex implements TunnelStream, QueueHolder {
  readonly connectId: bigint;
  readonly address: string;
  readonly openedMs = performance.now();
  readonly #owner: ConnectionOwner;
  readonly #halfCloseMs: number;
  readonly #incoming: Buffer[] = [];
  readonly #turn = () => this.#flush();
  #queuedBytes = 0;
  #wanted = false;
  #incomingEnded = false;
  #loss: Error | undefined;
  #outgoing: { chunk: Buffer; at: number; done: (error?: Error | null) => void } | undefined;
  #credit: number;
  #ungranted = 0;
  #finSent = false;
  #finReceived = false;
  /** The server's end asked for the close and waits for the answer. */
  #closing = false;
  #closed = false;
  #closeAfterFlush = false;
  #closeError = '';
  #lastIncomingMs = 0;
  #holdTimer: NodeJS.Timeout | undefined;
  #closeTimer: NodeJS.Timeout | undefined;
  #flushTimer: NodeJS.Timeout | undefined;

  constructor(owner: ConnectionOwner, { connectId, address, halfCloseMs = 1000 }: ConnectionOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 });
    this.connectId = connectId;
    this.address = address;
    this.#owner = owner;
    this.#halfCloseMs = halfCloseMs;
    this.#credit = owner.extensions?.windowBytes ?? Number.POSITIVE_INFINITY;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** What the peer said when it closed the connection; empty for an ordinary close. */
  get closeError(): string {
    return this.#closeError;
  }

  /** Whether the peer, or the loss of its stream, ended both directions. */
  get closedByPeer(): boolean {
    return this.#closed;
  }

  /** Delivers what was written, then closes both directions. What still comes in may be read until the stream ends. */
  close(): void {
    if (this.#closeAfterFlush || this.destroyed) return;
    this.#closeAfterFlush = true;
    if (!this.writableEnded) this.end();
    else if (this.writableFinished) this.#sendClose();
    if (!this.writableFinished && !this.#flushTimer) this.#watchFlush();
  }

  /** Upstream's protocol cannot tell a reset from an end. */
  reset(): void {
    this.close();
  }

  receiveData(data: Buffer): void {
    if (this.#incomingEnded || this.destroyed) return;
    if (data.length === 0) return;
    this.#lastIncomingMs = performance.now();
    this.#incoming.push(data);
    this.#queuedBytes += data.length;
    this.#owner.budget.add(this, data.length);
    this.#pump();
    if (!this.#holdTimer && this.#owner.budget.isFull(this)) this.#hold();
  }

  receiveFin(): void {
    this.#finReceived = true;
    this.#endIncoming();
    if (this.#finSent) this.#forget();
  }

  receiveWindow(bytes: number): void {
    this.#credit += bytes;
    this.#flush();
  }

  /** The peer closed both directions. What it sent before is still to be read. */
  receiveClose(error = ''): void {
    if (this.#closed) return;
    this.#closeError = error;
    if (this.#owner.role === 'agent') {
      this.#owner.packets.send({ type: 'CLOSE_RSP', error: '', connectId: this.connectId });
    }
    this.#forget();
    this.#endIncoming();
    this.#flush();
    this.emit('peerClose');
  }

  /** The packet stream is gone: what was received is still read, then the connection fails with `error`. */
  receiveLoss(error: Error): void {
    if (this.#closed) return;
    this.#loss = error;
    this.#forget();
    this.#endIncoming();
    this.#flush();
  }

  override _read(): void {
    this.#wanted = true;
    this.#pump();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#outgoing = { chunk, at: 0, done };
    this.#flush();
  }

  override _final(done: (error?: Error | null) => void): void {
    clearInterval(this.#flushTimer);
    done();
    if (this.#closed || this.destroyed) return;
    if (this.#closeAfterFlush) {
      this.#sendClose();
    } else if (this.#owner.extensions) {
      this.#finSent = true;
      this.#owner.packets.send({ type: 'FIN', connectId: this.connectId });
      if (this.#finReceived) this.#forget();
    } else if (this.#owner.role === 'agent' || this.#halfCloseMs === 0) {
      this.#sendClose();
    } else {
      this.#lastIncomingMs = performance.now();
      this.#awaitQuiet();
    }
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#closed && !this.#closing) {
      const { role, packets } = this.#owner;
      const { connectId } = this;
      packets.send(role === 'server' ? { type: 'CLOSE_REQ', connectId } : { type: 'CLOSE_RSP', error: '', connectId });
    }
    this.#forget();
    this.#dropIncoming();
    this.#owner.packets.cancelTurn(this.#turn);
    this.#outgoing = undefined;
    clearInterval(this.#flushTimer);
    done(error);
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    if (!outgoing) return;
    const { packets } = this.#owner;
    const { chunk } = outgoing;
    // After a close there is nobody to send to: what is written then is dropped, as a socket's peer would drop it.
    while (!this.#closed && !this.#closing && outgoing.at < chunk.length) {
      if (this.#credit <= 0) return;
      if (!packets.writable) {
        packets.whenWritable(this.#turn);
        return;
      }
      const length = Math.min(maxPieceBytes, this.#credit, chunk.length - outgoing.at);
      packets.sendData(this.connectId, chunk.subarray(outgoing.at, outgoing.at + length));
      outgoing.at += length;
      this.#credit -= length;
    }
    this.#outgoing = undefined;
    outgoing.done();
  }

  /** Gives the reader what it wants of the queue. */
  #pump(): void {
    while (this.#wanted) {
      const chunk = this.#incoming.shift();
      if (!chunk) break;
      this.#queuedBytes -= chunk.length;
      this.#owner.budget.add(this, -chunk.length);
      this.#grant(chunk.length);
      this.#wanted = this.push(chunk);
    }
    if (this.#holdTimer && !this.#owner.budget.isFull(this)) this.#releaseHold();
    if (!this.#incomingEnded || this.#incoming.length > 0) return;
    if (this.#loss) this.destroy(this.#loss);
    else if (this.#wanted) {
      this.#wanted = false;
      this.push(null);
    }
  }

  /** Lets the peer send as much again as the reader has taken, in steps of half a window. */
  #grant(bytes: number): void {
    if (!this.#owner.extensions || this.#closed) return;
    this.#ungranted += bytes;
    if (this.#ungranted < ownWindowBytes / 2) return;
    this.#owner.packets.send({ type: 'WINDOW', connectId: this.connectId, bytes: this.#ungranted });
    this.#ungranted = 0;
  }

  #endIncoming(): void {
    this.#incomingEnded = true;
    this.#pump();
  }

  /** A full queue: the shared stream waits for this reader, but not for long. */
  #hold(): void {
    const { packets, budget } = this.#owner;
    packets.hold(this);
    this.#holdTimer = setTimeout(() => {
      this.#owner.onStalled(this);
      this.destroy(
        new Error(
          `the reader of ${this.address} is ${this.#queuedBytes} bytes behind and took none for ${budget.holdMs} ms`,
        ),
      );
    }, budget.holdMs);
    this.#holdTimer.unref();
  }

  #releaseHold(): void {
    clearTimeout(this.#holdTimer);
    this.#holdTimer = undefined;
    this.#owner.packets.release(this);
  }

  /** Sends the close once the target has been quiet for a while: its answer to what the client sent last may still be coming. */
  #awaitQuiet(): void {
    const quietMs = performance.now() - this.#lastIncomingMs;
    if (quietMs >= this.#halfCloseMs && this.#queuedBytes === 0) {
      this.#sendClose();
      return;
    }
    this.#closeTimer = setTimeout(() => this.#awaitQuiet(), Math.max(20, this.#halfCloseMs - quietMs)).unref();
  }

  #sendClose(): void {
    if (this.#closed || this.#closing) return;
    const { role, packets } = this.#owner;
    const { connectId } = this;
    clearTimeout(this.#closeTimer);
    if (role === 'agent') {
      packets.send({ type: 'CLOSE_RSP', error: '', connectId });
      this.#forget();
      this.#endIncoming();
      return;
    }
    packets.send({ type: 'CLOSE_REQ', connectId });
    this.#closing = true;
    this.#closeTimer = setTimeout(() => this.receiveLoss(new Error('no answer to CLOSE_REQ')), closeAnswerMs).unref();
  }

  #watchFlush(): void {
    let before = -1;
    this.#flushTimer = setInterval(() => {
      const left = this.writableLength - (this.#outgoing?.at ?? 0);
      if (left === before) this.destroy(new Error(`none of the last ${left} bytes for ${this.address} was taken`));
      before = left;
    }, flushStallMs).unref();
  }

  #forget(): void {
    clearTimeout(this.#closeTimer);
    if (this.#holdTimer) this.#releaseHold();
    if (this.#closed) return;
    this.#closed = true;
    this.#owner.forget(this);
  }

  #dropIncoming(): void {
    const bytes = this.#queuedBytes;
    this.#incoming.length = 0;
    this.#queuedBytes = 0;
    this.#owner.budget.add(this, -bytes);
  }
}
