import type { Http2Stream } from 'node:http2';
import { ProtocolError } from '../lib/protocol-error.ts';
import { GrpcMessageDecoder, grpcPrefixBytes, writeGrpcPrefix } from '../wire/grpc.ts';
import { decodePacket, encodeDataHead, encodePacket, type OutgoingPacket, type Packet } from '../wire/konnectivity.ts';

export interface PacketStreamEvents {
  readonly onPacket: (packet: Packet) => void;
  /** Called once, when the stream is over in either direction; `error` where it broke. */
  readonly onEnd: (error: Error | undefined) => void;
  /** Reading is held from now on, or no more. */
  readonly onHold?: (held: boolean) => void;
  /** Counts a packet. */
  readonly onCount?: (direction: 'in' | 'out', type: string) => void;
}

/** A peer that takes nothing but asks for answers ends its stream, not our memory. */
const maxUnsentBytes = 16 * 1024 * 1024;
/** Up to here copying is cheaper than a write of its own. */
const smallBytes = 2048;

/**
 * Packets on one gRPC stream, both ways. Control packets go out at once; who has bytes asks `writable` first and otherwise waits its turn, so
 * that connections take turns. Reading is held while anybody holds it.
 */
export class PacketStream {
  readonly stream: Http2Stream;
  readonly #events: PacketStreamEvents;
  readonly #decoder = new GrpcMessageDecoder();
  /** In the order in which they asked. */
  readonly #waiting = new Set<() => void>();
  readonly #holders = new Set<unknown>();
  #room = true;
  #stuckSinceMs: number | undefined;
  #over = false;

  constructor(stream: Http2Stream, events: PacketStreamEvents) {
    this.stream = stream;
    this.#events = events;
    stream.on('error', (error: Error) => this.#end(error));
    stream.on('aborted', () => this.#end(new Error('the peer cut the stream')));
    stream.on('close', () => this.#end(undefined));
    stream.on('end', () => this.#end(undefined));
    stream.on('drain', () => this.#drained());
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  get over(): boolean {
    return this.#over;
  }

  /** Whether bytes may be written now. */
  get writable(): boolean {
    return this.#room && !this.#over;
  }

  /** For how long the peer has taken nothing of what waits for it. */
  get stuckMs(): number {
    return this.#stuckSinceMs === undefined ? 0 : performance.now() - this.#stuckSinceMs;
  }

  /** Calls `turn` once when bytes may be written. */
  whenWritable(turn: () => void): void {
    this.#waiting.add(turn);
  }

  cancelTurn(turn: () => void): void {
    this.#waiting.delete(turn);
  }

  send(packet: OutgoingPacket): void {
    if (this.#over || this.stream.destroyed || this.stream.writableEnded) return;
    const message = encodePacket(packet);
    const frame = Buffer.allocUnsafe(grpcPrefixBytes + message.length);
    writeGrpcPrefix(frame, { length: message.length });
    message.copy(frame, grpcPrefixBytes);
    this.#write(frame);
    this.#events.onCount?.('out', packet.type);
  }

  /** `data` must stay as they are until they are sent. */
  sendData(connectId: bigint, data: Buffer): void {
    if (this.#over || this.stream.destroyed || this.stream.writableEnded || data.length === 0) return;
    const head = encodeDataHead(connectId, { length: data.length, spare: grpcPrefixBytes });
    writeGrpcPrefix(head, { length: head.length - grpcPrefixBytes + data.length });
    if (data.length <= smallBytes) {
      this.#write(Buffer.concat([head, data]));
    } else {
      this.stream.cork();
      this.#write(head);
      this.#write(data);
      this.stream.uncork();
    }
    this.#events.onCount?.('out', 'DATA');
  }

  /** Nothing is read until everybody who holds has released. */
  hold(holder: unknown): void {
    if (this.#holders.size === 0) this.#events.onHold?.(true);
    this.#holders.add(holder);
    this.stream.pause();
  }

  release(holder: unknown): void {
    if (!this.#holders.delete(holder) || this.#holders.size > 0) return;
    this.#events.onHold?.(false);
    if (!this.#over) this.stream.resume();
  }

  destroy(error: Error): void {
    this.#end(error);
    this.stream.destroy();
  }

  #write(bytes: Buffer): void {
    this.#room = this.stream.write(bytes);
    if (!this.#room) this.#stuckSinceMs ??= performance.now();
    if (this.stream.writableLength > maxUnsentBytes) {
      this.destroy(new ProtocolError(`The peer takes none of ${this.stream.writableLength} bytes that wait for it`));
    }
  }

  #receive(chunk: Buffer): void {
    try {
      this.#decoder.push(chunk, (message) => {
        if (this.#over) return;
        const packet = decodePacket(message);
        this.#events.onCount?.('in', packet.type);
        this.#events.onPacket(packet);
      });
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #drained(): void {
    this.#room = true;
    this.#stuckSinceMs = undefined;
    for (const turn of this.#waiting) {
      if (!this.writable) return;
      this.#waiting.delete(turn);
      turn();
    }
  }

  #end(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting.clear();
    if (this.#holders.size > 0) this.#events.onHold?.(false);
    this.#holders.clear();
    this.stream.resume();
    this.#events.onEnd(error);
  }
}
