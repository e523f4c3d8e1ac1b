import { ProtocolError } from '../lib/protocol-error.ts';

/** Wire types of the protobuf encoding; groups (3, 4) are not in use anywhere and refused. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/**
 * Reads one message, field by field. Every read is checked against the end of the message, so that any bytes either decode or
 * throw `ProtocolError`; nothing is copied except texts.
 *
 *     for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
 *       if (tag >>> 3 === 1) name = reader.text();
 *       else reader.skip(tag & 7);
 *     }
 */
export class ProtobufReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = 0;
    this.#end = bytes.length;
  }

  get atEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** The next field's number times eight plus its wire type; `0` at the end. */
  tag(): number {
    if (this.#at >= this.#end) return 0;
    const tag = this.uint32();
    if (tag >>> 3 === 0) throw new ProtocolError('Protobuf field has number 0');
    return tag;
  }

  /** A varint cut to 32 bits, unsigned. */
  uint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new ProtocolError('Protobuf varint is longer than ten bytes');
  }

  /** A varint as `int32` is written: sign-extended to 64 bits. */
  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    const { low, high } = this.#varint64();
    return low !== 0 || high !== 0;
  }

  /** A varint as a signed number; beyond 2⁵³ the nearest one. */
  int64(): number {
    const { low, high } = this.#varint64();
    return (high | 0) * 0x1_0000_0000 + low;
  }

  /** A varint as an exact unsigned value. */
  uint64(): bigint {
    const { low, high } = this.#varint64();
    return (BigInt(high) << 32n) | BigInt(low);
  }

  double(): number {
    const at = this.#take(8);
    return this.#bytes.readDoubleLE(at);
  }

  fixed32(): number {
    const at = this.#take(4);
    return this.#bytes.readUInt32LE(at);
  }

  fixed64(): bigint {
    const at = this.#take(8);
    return this.#bytes.readBigUInt64LE(at);
  }

  /** A length-delimited field: a view, not a copy. */
  bytes(): Buffer {
    const length = this.uint32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  text(): string {
    const length = this.uint32();
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  /** A reader of the nested message. */
  message(): ProtobufReader {
    return new ProtobufReader(this.bytes());
  }

  /** Passes over a field that nobody knows. */
  skip(type: number): void {
    if (type === wireType.varint) this.#varint64();
    else if (type === wireType.bytes) this.#take(this.uint32());
    else if (type === wireType.fixed32) this.#take(4);
    else if (type === wireType.fixed64) this.#take(8);
    else throw new ProtocolError(`Protobuf wire type ${type} is not supported`);
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at++] : undefined;
    if (byte === undefined) throw new ProtocolError('Protobuf message is truncated');
    return byte;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#end - at) throw new ProtocolError('Protobuf field is longer than its message');
    this.#at = at + length;
    return at;
  }

  #varint64(): { low: number; high: number } {
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index++) {
      const byte = this.#byte();
      const bits = byte & 0x7f;
      const shift = index * 7;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) return { low: low >>> 0, high: high >>> 0 };
    }
    throw new ProtocolError('Protobuf varint is longer than ten bytes');
  }
}

/** Writes one message into a buffer that grows. A nested message is written in place: its length is filled in when it ends. */
export class ProtobufWriter {
  #buffer: Buffer;
  #at = 0;

  constructor({ initialBytes = 512 }: { initialBytes?: number } = {}) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  /** What has been written. A view: the writer must not be used after it, unless {@link reset} is called when the view is done with. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  /** Starts anew in the same buffer. */
  reset(): void {
    this.#at = 0;
  }

  varintField(number: number, value: number): void {
    this.#reserve(20);
    this.#uint32(number * 8);
    this.#int64(value);
  }

  boolField(number: number, value: boolean): void {
    this.varintField(number, value ? 1 : 0);
  }

  uint64Field(number: number, value: bigint): void {
    this.#reserve(20);
    this.#uint32(number * 8);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#at++] = Number(rest);
  }

  doubleField(number: number, value: number): void {
    this.#reserve(18);
    this.#uint32(number * 8 + wireType.fixed64);
    this.#buffer.writeDoubleLE(value, this.#at);
    this.#at += 8;
  }

  textField(number: number, value: string): void {
    const most = value.length * 3;
    this.#reserve(most + 15);
    this.#uint32(number * 8 + wireType.bytes);
    if (value.length < 32 && this.#shortAscii(value)) return;
    if (most < 0x80) {
      const lengthAt = this.#at++;
      const length = this.#buffer.write(value, this.#at, 'utf8');
      this.#buffer[lengthAt] = length;
      this.#at += length;
      return;
    }
    this.#uint32(Buffer.byteLength(value, 'utf8'));
    this.#at += this.#buffer.write(value, this.#at, 'utf8');
  }

  bytesField(number: number, value: Uint8Array): void {
    this.#reserve(value.length + 15);
    this.#uint32(number * 8 + wireType.bytes);
    this.#uint32(value.length);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }

  /** Begins a nested message; give what it returns to {@link endMessage}. */
  beginMessage(number: number): number {
    this.#reserve(15);
    this.#uint32(number * 8 + wireType.bytes);
    return this.#at++;
  }

  endMessage(lengthAt: number): void {
    const start = lengthAt + 1;
    const length = this.#at - start;
    if (length < 0x80) {
      this.#buffer[lengthAt] = length;
      return;
    }
    // One byte was left for the length; a longer one moves the content.
    const extra = varintLength(length) - 1;
    this.#reserve(extra);
    this.#buffer.copyWithin(start + extra, start, this.#at);
    this.#at = lengthAt;
    this.#uint32(length);
    this.#at += length;
  }

  /** Writes the text with its length if it is ASCII; otherwise leaves everything as it was. */
  #shortAscii(value: string): boolean {
    const buffer = this.#buffer;
    const start = this.#at;
    let at = start;
    buffer[at++] = value.length;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      buffer[at++] = code;
    }
    this.#at = at;
    return true;
  }

  #int64(value: number): void {
    if (value >= 0 && value < 0x1_0000_0000) {
      this.#uint32(value);
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(Math.trunc(value)));
    while (rest >= 0x80n) {
      this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#at++] = Number(rest);
  }

  #uint32(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#at++] = rest;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#at);
    this.#buffer = grown;
  }
}

/** How many bytes a varint takes. */
export function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) length++;
  return length;
}

/** Writes a varint of at most 32 bits at `at`; gives the position after it. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let rest = value;
  let position = at;
  while (rest >= 0x80) {
    buffer[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  buffer[position++] = rest;
  return position;
}
