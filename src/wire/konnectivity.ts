import { ProtobufReader, ProtobufWriter, wireType } from './protobuf.ts';

/**
 * Packet types of the Konnectivity protocol. 0 to 6 are upstream's; the last two are ours and are sent only to a peer that said it knows
 * them: upstream's peers ignore types that they do not know.
 */
export const packetTypes = {
  DIAL_REQ: 0,
  DIAL_RSP: 1,
  CLOSE_REQ: 2,
  CLOSE_RSP: 3,
  DATA: 4,
  DIAL_CLS: 5,
  DRAIN: 6,
  FIN: 107,
  WINDOW: 108,
} as const;
export type PacketType = keyof typeof packetTypes;

/** `random` names a dial until it is answered, `connectId` a connection afterwards: 64 bits each, never a JavaScript number. */
export type Packet =
  | { readonly type: 'DIAL_REQ'; readonly protocol: string; readonly address: string; readonly random: bigint }
  | { readonly type: 'DIAL_RSP'; readonly error: string; readonly connectId: bigint; readonly random: bigint }
  | { readonly type: 'CLOSE_REQ'; readonly connectId: bigint }
  | { readonly type: 'CLOSE_RSP'; readonly error: string; readonly connectId: bigint }
  | { readonly type: 'DATA'; readonly connectId: bigint; readonly data: Buffer }
  | { readonly type: 'DIAL_CLS'; readonly random: bigint }
  | { readonly type: 'DRAIN' }
  /** The sender writes no more on this connection and goes on reading. */
  | { readonly type: 'FIN'; readonly connectId: bigint }
  /** The receiver of this packet may send so many bytes more on this connection. */
  | { readonly type: 'WINDOW'; readonly connectId: bigint; readonly bytes: number }
  /** A type from a future that we do not know. To be ignored. */
  | { readonly type: 'unknown'; readonly number: number };

const names = new Map<number, PacketType>(
  Object.entries(packetTypes).map(([name, number]) => [number, name as PacketType]), // keys of the table
);

/** Field of `Packet` that holds each type's payload. */
const payloadField: Readonly<Record<Exclude<PacketType, 'DRAIN'>, number>> = {
  DIAL_REQ: 2,
  DIAL_RSP: 3,
  DATA: 4,
  CLOSE_REQ: 5,
  CLOSE_RSP: 6,
  DIAL_CLS: 7,
  FIN: 107,
  WINDOW: 108,
};
const drainField = 8;

/**
 * Decodes one `Packet`. As upstream, only `type` decides what it is; a payload that is absent reads as zero values, so an empty packet is
 * a `DIAL_REQ`. `data` is a view of `message`.
 *
 *     Packet        type=1 dialRequest=2 dialResponse=3 data=4 closeRequest=5 closeResponse=6 closeDial=7 drain=8
 *     DialRequest   protocol=1 address=2 random=3      DialResponse   error=1 connectID=2 random=3
 *     CloseRequest  connectID=1                        CloseResponse  error=1 connectID=2
 *     CloseDial     random=1                           Data           connectID=1 error=2 data=3
 *
 * Source: apiserver-network-proxy `konnectivity-client/proto/client/client.proto`.
 * @throws {ProtocolError} if `message` is no protobuf
 */
export function decodePacket(message: Uint8Array): Packet {
  const reader = new ProtobufReader(message);
  let number = 0;
  let payload: { field: number; bytes: Buffer } | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 8) number = reader.int32();
    else if ((tag & 7) === wireType.bytes) payload = { field: tag >>> 3, bytes: reader.bytes() };
    else reader.skip(tag & 7);
  }
  const type = names.get(number);
  if (type === undefined) return { type: 'unknown', number };
  if (type === 'DRAIN') return { type };
  return toPacket(type, decodeFields(payload?.field === payloadField[type] ? payload.bytes : undefined));
}

/** The fields of a payload by number: integers are 64 bits, the rest bytes. */
interface Fields {
  readonly integers: bigint[];
  readonly texts: (Buffer | undefined)[];
}

const nothing = Buffer.alloc(0);

function decodeFields(bytes: Buffer | undefined): Fields {
  const fields: Fields = { integers: [0n, 0n, 0n, 0n], texts: [] };
  if (!bytes) return fields;
  const reader = new ProtobufReader(bytes);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    const number = tag >>> 3;
    if (number <= 3 && (tag & 7) === wireType.varint) fields.integers[number] = reader.uint64();
    else if (number <= 3 && (tag & 7) === wireType.bytes) fields.texts[number] = reader.bytes();
    else reader.skip(tag & 7);
  }
  return fields;
}

function toPacket(type: Exclude<PacketType, 'DRAIN'>, { integers, texts }: Fields): Packet {
  const integer = (field: number) => integers[field] ?? 0n;
  const text = (field: number) => texts[field]?.toString('utf8') ?? '';
  switch (type) {
    case 'DIAL_REQ':
      return { type, protocol: text(1), address: text(2), random: integer(3) };
    case 'DIAL_RSP':
      return { type, error: text(1), connectId: integer(2), random: integer(3) };
    case 'CLOSE_RSP':
      return { type, error: text(1), connectId: integer(2) };
    case 'DATA':
      return { type, connectId: integer(1), data: texts[3] ?? nothing };
    case 'DIAL_CLS':
      return { type, random: integer(1) };
    case 'WINDOW':
      return { type, connectId: integer(1), bytes: Number(BigInt.asUintN(32, integer(2))) };
    case 'CLOSE_REQ':
    case 'FIN':
      return { type, connectId: integer(1) };
  }
}

export type OutgoingPacket = Exclude<Packet, { type: 'unknown' }>;

/** Encodes one packet, without gRPC's prefix. For bytes on their way {@link encodeDataHead} saves the copy. */
export function encodePacket(packet: OutgoingPacket): Buffer {
  const writer = new ProtobufWriter({ initialBytes: 64 });
  if (packet.type !== 'DIAL_REQ') writer.varintField(1, packetTypes[packet.type]);
  const payload = writer.beginMessage(packet.type === 'DRAIN' ? drainField : payloadField[packet.type]);
  const text = (field: number, value: string) => value !== '' && writer.textField(field, value);
  const integer = (field: number, value: bigint) => value !== 0n && writer.uint64Field(field, value);
  switch (packet.type) {
    case 'DIAL_REQ':
      text(1, packet.protocol);
      text(2, packet.address);
      integer(3, packet.random);
      break;
    case 'DIAL_RSP':
      text(1, packet.error);
      integer(2, packet.connectId);
      integer(3, packet.random);
      break;
    case 'CLOSE_RSP':
      text(1, packet.error);
      integer(2, packet.connectId);
      break;
    case 'DATA':
      integer(1, packet.connectId);
      if (packet.data.length > 0) writer.bytesField(3, packet.data);
      break;
    case 'DIAL_CLS':
      integer(1, packet.random);
      break;
    case 'WINDOW':
      integer(1, packet.connectId);
      writer.varintField(2, packet.bytes);
      break;
    case 'CLOSE_REQ':
    case 'FIN':
      integer(1, packet.connectId);
      break;
    case 'DRAIN':
      break;
  }
  writer.endMessage(payload);
  return writer.finish();
}

/** What stands before `length` bytes of data in a DATA packet, with `spare` free bytes in front for the framing. The data follow as they are. */
export function encodeDataHead(connectId: bigint, { length, spare }: { length: number; spare: number }): Buffer {
  const inner = varintBytes(connectId);
  const dataLength = varintBytes(BigInt(length));
  const payloadLength = varintBytes(BigInt(1 + inner.length + 1 + dataLength.length + length));
  return Buffer.from([
    ...new Uint8Array(spare),
    0x08,
    packetTypes.DATA,
    (payloadField.DATA << 3) | wireType.bytes,
    ...payloadLength,
    0x08,
    ...inner,
    0x1a,
    ...dataLength,
  ]);
}

function varintBytes(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}
