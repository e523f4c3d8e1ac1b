import { ProtocolError } from '../lib/protocol-error.ts';

/** Status codes of gRPC that we send or tell apart, by upstream's names. */
export const grpcStatus = { ok: 0, unknown: 2, resourceExhausted: 8, unimplemented: 12, unavailable: 14 } as const;

/** Bytes before each message: one flag byte (compressed or not) and the length, big-endian. */
export const grpcPrefixBytes = 5;

/** What grpc-go receives at most in one message unless told otherwise. */
export const defaultMaxMessageBytes = 4 * 1024 * 1024;

/** Writes the prefix of an uncompressed message of `length` bytes at `at`. */
export function writeGrpcPrefix(target: Buffer, { length, at = 0 }: { length: number; at?: number }): void {
  target[at] = 0;
  target.writeUInt32BE(length, at + 1);
}

/** `message` behind its prefix, as one piece. */
export function frameGrpcMessage(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(grpcPrefixBytes + message.length);
  writeGrpcPrefix(frame, { length: message.length });
  message.copy(frame, grpcPrefixBytes);
  return frame;
}

/**
 * Cuts a gRPC body into messages, whatever the pieces it comes in. A message that lies whole in one piece is a view of it.
 *
 *     byte 0      1 where the message is compressed: refused, nobody asked for it
 *     bytes 1..4  length, big-endian
 *     bytes 5..   the message
 *
 * Source: grpc/grpc `doc/PROTOCOL-HTTP2.md`.
 */
export class GrpcMessageDecoder {
  readonly #maxMessageBytes: number;
  readonly #prefix = Buffer.alloc(grpcPrefixBytes);
  #prefixLength = 0;
  /** The message that is being gathered, where it did not come in one piece. */
  #message: Buffer | undefined;
  #filled = 0;

  constructor({ maxMessageBytes = defaultMaxMessageBytes }: { maxMessageBytes?: number } = {}) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** Whether the body may end here. */
  get atBoundary(): boolean {
    return this.#prefixLength === 0;
  }

  /**
   * Gives each message that `chunk` completes to `onMessage`, in order.
   * @throws {ProtocolError} for a compressed message and one that is too long, before any of it is kept
   */
  push(chunk: Buffer, onMessage: (message: Buffer) => void): void {
    let at = 0;
    for (;;) {
      if (this.#prefixLength < grpcPrefixBytes) {
        if (at === chunk.length) return;
        const taken = Math.min(grpcPrefixBytes - this.#prefixLength, chunk.length - at);
        chunk.copy(this.#prefix, this.#prefixLength, at, at + taken);
        this.#prefixLength += taken;
        at += taken;
        if (this.#prefixLength < grpcPrefixBytes) return;
      }
      const length = this.#checkedLength();
      if (!this.#message && chunk.length - at >= length) {
        this.#prefixLength = 0;
        onMessage(chunk.subarray(at, at + length));
        at += length;
        continue;
      }
      this.#message ??= Buffer.allocUnsafe(length);
      const taken = Math.min(length - this.#filled, chunk.length - at);
      chunk.copy(this.#message, this.#filled, at, at + taken);
      this.#filled += taken;
      at += taken;
      if (this.#filled < length) return;
      const message = this.#message;
      this.#message = undefined;
      this.#filled = 0;
      this.#prefixLength = 0;
      onMessage(message);
    }
  }

  #checkedLength(): number {
    if (this.#prefix[0] !== 0) throw new ProtocolError(`gRPC message has flags ${this.#prefix[0]}; expected 0`);
    const length = this.#prefix.readUInt32BE(1);
    if (length > this.#maxMessageBytes) {
      throw new ProtocolError(`gRPC message of ${length} bytes is larger than ${this.#maxMessageBytes}`);
    }
    return length;
  }
}

/** A status message as the `grpc-message` header carries it: printable ASCII, the rest percent-encoded. */
export function encodeGrpcMessage(text: string): string {
  return Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/[^\x20-\x24\x26-\x7e]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** The text of a `grpc-message` header; what is badly encoded stays as it is. */
export function decodeGrpcMessage(text: string): string {
  const bytes = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
