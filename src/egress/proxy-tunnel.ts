import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { frameGrpcMessage, grpcPrefixBytes, writeGrpcPrefix } from '../wire/grpc.ts';
import { encodeDataHead, encodePacket, type Packet } from '../wire/konnectivity.ts';

/** How far a reader may be behind before its proxy server has to wait for it. */
export const streamWindowBytes = 4 * 1024 * 1024;
export const sessionWindowBytes = 2 * streamWindowBytes;

/** One packet's bytes. */
const maxPieceBytes = 32 * 1024;
/** Upstream's protocol cannot say that one direction ended: the close waits until the target was quiet for so long. */
const quietMs = 1000;
/** How long the proxy server may take to answer a close; upstream's client waits as long. */
const closeAnswerMs = 10_000;
/** An upstream server keeps everybody waiting for a reader that takes nothing. Upstream's client gives up after as long. */
const stallMs = 10_000;

export interface ProxyTunnelOptions {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly connectId: bigint;
  /** `host:port`, for people. */
  readonly address: string;
}

/**
 * The client's end of one connection through a Konnectivity server: a byte stream like a socket. Every byte that was received before the end, or
 * before the loss of the proxy server, can be read; the loss is an error. `end()` leaves reading open until the target falls quiet.
 */
export class ProxyTunnel extends Duplex {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #connectId: bigint;
  readonly #address: string;
  #loss: Error | undefined;
  #over = false;
  #lastReceivedMs = 0;
  #quietTimer: NodeJS.Timeout | undefined;
  #stallTimer: NodeJS.Timeout | undefined;

  constructor({ session, stream, connectId, address }: ProxyTunnelOptions) {
    super({ allowHalfOpen: true, readableHighWaterMark: 256 * 1024, writableHighWaterMark: 64 * 1024 });
    this.#session = session;
    this.#stream = stream;
    this.#connectId = connectId;
    this.#address = address;
    this.on('error', () => {}); // until the new owner listens; a broken stream also closes
  }

  receive(packet: Packet): void {
    if (this.#over || this.destroyed) return;
    if (packet.type === 'CLOSE_RSP') {
      if (packet.error === '') this.#endReading();
      else this.receiveLoss(packet.error);
      return;
    }
    if (packet.type !== 'DATA' || packet.connectId !== this.#connectId || packet.data.length === 0) return;
    this.#lastReceivedMs = performance.now();
    if (!this.push(packet.data)) this.#pause();
  }

  /** Nothing more comes: what was received is still read, then the stream fails. */
  receiveLoss(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#quietTimer);
    this.#loss = new Error(`${this.#address}: ${reason}`);
    this.#failWhenRead();
  }

  /** As every stream's, and notices when the last byte before a loss has been taken. */
  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    if (this.#loss && chunk === null) this.#failWhenRead();
    return chunk;
  }

  override _read(): void {
    clearInterval(this.#stallTimer);
    this.#stallTimer = undefined;
    if (this.#stream.isPaused()) this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const stream = this.#stream;
    // What is written after the peer's close is dropped, as a socket's peer would drop it.
    if (this.#over || stream.destroyed || stream.writableEnded) {
      done();
      return;
    }
    let room = true;
    stream.cork();
    for (let at = 0; at < chunk.length; at += maxPieceBytes) {
      const data = chunk.subarray(at, at + maxPieceBytes);
      const head = encodeDataHead(this.#connectId, { length: data.length, spare: grpcPrefixBytes });
      writeGrpcPrefix(head, { length: head.length - grpcPrefixBytes + data.length });
      stream.write(head);
      room = stream.write(data);
    }
    stream.uncork();
    if (room) {
      done();
      return;
    }
    const settle = () => {
      stream.off('drain', settle);
      stream.off('close', settle);
      done();
    };
    stream.once('drain', settle);
    stream.once('close', settle);
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
    if (this.#over) return;
    this.#lastReceivedMs = performance.now();
    this.#closeWhenQuiet();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#quietTimer);
    clearInterval(this.#stallTimer);
    if (!this.#over) this.#sendClose();
    this.#over = true;
    this.#release();
    done(error);
  }

  #endReading(): void {
    this.#over = true;
    clearTimeout(this.#quietTimer);
    this.push(null);
    this.#release();
  }

  #failWhenRead(): void {
    if (this.#loss && this.readableLength === 0) this.destroy(this.#loss);
  }

  #sendClose(): void {
    const { destroyed, writableEnded } = this.#stream;
    if (destroyed || writableEnded) return;
    this.#stream.write(frameGrpcMessage(encodePacket({ type: 'CLOSE_REQ', connectId: this.#connectId })));
  }

  #closeWhenQuiet(): void {
    const silentMs = performance.now() - this.#lastReceivedMs;
    if (silentMs >= quietMs && this.readableLength === 0) {
      this.#sendClose();
      this.#quietTimer = setTimeout(() => this.receiveLoss('close timeout'), closeAnswerMs).unref();
      return;
    }
    this.#quietTimer = setTimeout(() => this.#closeWhenQuiet(), Math.max(20, quietMs - silentMs)).unref();
  }

  /** The proxy server fills the window and then waits. A reader that leaves it full for too long is cut off. */
  #pause(): void {
    this.#stream.pause();
    let full = false;
    this.#stallTimer ??= setInterval(() => {
      const room = this.#stream.state.localWindowSize ?? 0;
      if (full && room <= 0) {
        this.destroy(
          new Error(
            `${this.#address}: its reader is ${streamWindowBytes} bytes behind and took none for ${stallMs} ms`,
          ),
        );
      }
      full = room <= 0;
    }, stallMs).unref();
  }

  #release(): void {
    this.#stream.resume();
    this.#stream.end();
    this.#session.close();
    const timer = setTimeout(() => this.#session.destroy(), closeAnswerMs).unref();
    this.#session.once('close', () => clearTimeout(timer));
  }
}
