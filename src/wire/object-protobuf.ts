import { badRequest } from '../api/errors.ts';
import { isJsonObject } from '../api/json-object.ts';
import {
  formatApiVersion,
  type GroupVersionKind,
  type JsonKubeObject,
  type JsonObject,
  parseApiVersion,
} from '../api/object.ts';
import { scheme } from '../api/scheme.ts';
import { concatBytes } from '../lib/bytes.ts';
import { ProtocolError } from '../lib/protocol-error.ts';
import { type MessageCodec, messageCodec } from './message-codec.ts';
import { partialMetadataCodec, partialMetadataItem } from './partial-metadata-codec.ts';
import { ProtobufReader, ProtobufWriter, varintLength, writeVarint } from './protobuf.ts';

/** `k8s\0`: what every object in `application/vnd.kubernetes.protobuf` begins with. */
const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

export interface ProtobufObject {
  readonly gvk: GroupVersionKind;
  readonly object: JsonKubeObject;
}

/** What an envelope says before its object is read. */
interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Uint8Array;
  readonly contentType: string;
}

/**
 * Decodes a whole body: the `k8s\0` envelope and the message in it, into the JSON that Go would write.
 * `fallback` is what the object is when the envelope does not say.
 * @throws {ProtocolError} for bytes that are no such object
 * @throws {ApiError} BadRequest for a kind that is not known
 */
export function decodeProtobufObject(
  bytes: Uint8Array,
  { fallback }: { fallback?: GroupVersionKind } = {},
): ProtobufObject {
  const { apiVersion, kind, raw, contentType } = readEnvelope(bytes);
  const named = parseApiVersion(apiVersion);
  const gvk = kind === '' || named === undefined ? fallback : { ...named, kind };
  if (gvk === undefined) throw new ProtocolError('Protobuf envelope names no kind');
  if (contentType === 'application/json') return { gvk, object: finish(parseRaw(raw), gvk) };
  const object: JsonObject = {};
  codecFor(gvk).readInto(new ProtobufReader(raw), object, 0);
  return { gvk, object: finish(object, gvk) };
}

/** Whether bytes begin as an object in protobuf does. */
export function isProtobufObject(bytes: Uint8Array): boolean {
  return bytes.length >= magic.length && magic.equals(bytes.subarray(0, magic.length));
}

/** Encodes an object (or a list, or Status) with its envelope. @throws {ApiError} BadRequest for a kind that is not known */
export function encodeProtobufObject(object: object, gvk: GroupVersionKind): Uint8Array {
  const writer = new ProtobufWriter({ initialBytes: 1024 });
  // API objects are JSON; fields that are not in the model are not looked at.
  codecFor(gvk).write(writer, object as JsonObject);
  return joinEnvelope(gvk, [writer.finish()]);
}

/** Encodes an object as it stands in a list: its message without an envelope. `model` may also be `partialMetadataItem`. */
export function encodeProtobufItem(object: object, model: string): Uint8Array {
  const writer = new ProtobufWriter({ initialBytes: 1024 });
  const codec = model === partialMetadataItem ? partialMetadataCodec('PartialObjectMetadata', 'v1') : undefined;
  (codec ?? messageCodec(model)).write(writer, object as JsonObject);
  // A copy of its own size: cached for long, it must not keep a larger buffer alive.
  return Uint8Array.from(writer.finish());
}

/** Builds a list from items that are encoded already: one allocation, every item copied once. */
export function joinProtobufList(
  listGvk: GroupVersionKind,
  listMeta: object,
  items: readonly Uint8Array[],
): Uint8Array {
  const old = listGvk.group === 'meta.k8s.io' && listGvk.version === 'v1beta1';
  const metaNumber = old ? 2 : 1;
  const itemTag = ((old ? 1 : 2) << 3) | 2;
  const writer = new ProtobufWriter({ initialBytes: 256 });
  const start = writer.beginMessage(metaNumber);
  messageCodec('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta').write(writer, listMeta as JsonObject);
  writer.endMessage(start);
  const parts: Uint8Array[] = [writer.finish()];
  const prefixes = Buffer.allocUnsafe(items.length * 6);
  let at = 0;
  for (const item of items) {
    const from = at;
    prefixes[at++] = itemTag;
    at = writeVarint(prefixes, at, item.length);
    parts.push(prefixes.subarray(from, at), item);
  }
  return joinEnvelope(listGvk, parts);
}

/** What stands around the items of a list whose items, each with its prefix, take `itemsLength` bytes. */
export function protobufListFrame(
  listGvk: GroupVersionKind,
  { listMeta, itemsLength }: { listMeta: object; itemsLength: number },
): { head: Uint8Array; tail: Uint8Array } {
  const writer = new ProtobufWriter({ initialBytes: 256 });
  const start = writer.beginMessage(isOldMeta(listGvk) ? 2 : 1);
  messageCodec('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta').write(writer, listMeta as JsonObject);
  writer.endMessage(start);
  const meta = writer.finish();
  return { head: concatBytes([...envelopeHead(listGvk, meta.length + itemsLength), meta]), tail: emptyTrailer };
}

/** The tag and length that stand before an item of a list. */
export function protobufItemPrefix(listGvk: GroupVersionKind, itemLength: number): Uint8Array {
  const prefix = Buffer.allocUnsafe(6);
  prefix[0] = ((isOldMeta(listGvk) ? 1 : 2) << 3) | 2;
  return prefix.subarray(0, writeVarint(prefix, 1, itemLength));
}

/** `meta.k8s.io/v1beta1` numbers the fields of its list the other way round. */
function isOldMeta({ group, version }: GroupVersionKind): boolean {
  return group === 'meta.k8s.io' && version === 'v1beta1';
}

/** Puts an already encoded message (of {@link encodeProtobufItem}) into an envelope. */
export function wrapProtobufObject(gvk: GroupVersionKind, raw: Uint8Array): Uint8Array {
  return joinEnvelope(gvk, [raw]);
}

/** One frame of a protobuf watch: four bytes of length and a `WatchEvent` around the object with its envelope. */
export function encodeProtobufWatchEvent(type: string, objectEnvelope: Uint8Array): Uint8Array {
  const typeBytes = Buffer.from(type);
  const rawLength = 1 + varintLength(objectEnvelope.length) + objectEnvelope.length;
  const length = 2 + typeBytes.length + 1 + varintLength(rawLength) + rawLength;
  const frame = Buffer.allocUnsafe(4 + length);
  frame.writeUInt32BE(length, 0);
  frame[4] = 0x0a;
  frame[5] = typeBytes.length;
  frame.set(typeBytes, 6);
  let at = 6 + typeBytes.length;
  frame[at++] = 0x12;
  at = writeVarint(frame, at, rawLength);
  frame[at++] = 0x0a;
  at = writeVarint(frame, at, objectEnvelope.length);
  frame.set(objectEnvelope, at);
  return frame;
}

function codecFor(gvk: GroupVersionKind): MessageCodec {
  if (gvk.group === 'meta.k8s.io') {
    const codec = partialMetadataCodec(gvk.kind, gvk.version);
    if (codec !== undefined) return codec;
  }
  const model = scheme.modelFor(gvk);
  if (model !== undefined) return messageCodec(model);
  throw badRequest(
    `no kind ${JSON.stringify(gvk.kind)} is registered for version ${JSON.stringify(formatApiVersion(gvk.group, gvk.version))} in scheme`,
  );
}

function readEnvelope(bytes: Uint8Array): Envelope {
  if (!isProtobufObject(bytes)) throw new ProtocolError('Body does not begin with the protobuf prefix of Kubernetes');
  const reader = new ProtobufReader(bytes.subarray(magic.length));
  let apiVersion = '';
  let kind = '';
  let raw: Uint8Array = new Uint8Array();
  let contentType = '';
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === 0x0a) {
      const meta = reader.message();
      for (let inner = meta.tag(); inner !== 0; inner = meta.tag()) {
        if (inner === 0x0a) apiVersion = meta.text();
        else if (inner === 0x12) kind = meta.text();
        else meta.skip(inner & 7);
      }
    } else if (tag === 0x12) raw = reader.bytes();
    else if (tag === 0x1a) {
      if (reader.text() !== '') throw new ProtocolError('Protobuf envelope with a content encoding is not supported');
    } else if (tag === 0x22) contentType = reader.text();
    else reader.skip(tag & 7);
  }
  return { apiVersion, kind, raw, contentType };
}

function parseRaw(raw: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('utf8'));
  } catch (cause) {
    throw new ProtocolError('Protobuf envelope holds no JSON', { cause });
  }
  if (!isJsonObject(value)) throw new ProtocolError('Protobuf envelope holds no object');
  return value;
}

function finish(
  { kind: _kind, apiVersion: _apiVersion, metadata, ...rest }: JsonObject,
  gvk: GroupVersionKind,
): JsonKubeObject {
  return {
    kind: gvk.kind,
    apiVersion: formatApiVersion(gvk.group, gvk.version),
    metadata: isJsonObject(metadata) ? metadata : {},
    ...rest,
  };
}

/** The envelope around a message given in parts. */
function joinEnvelope(gvk: GroupVersionKind, parts: readonly Uint8Array[]): Uint8Array {
  const rawLength = parts.reduce((sum, part) => sum + part.length, 0);
  return concatBytes([...envelopeHead(gvk, rawLength), ...parts, emptyTrailer]);
}

function envelopeHead({ group, version, kind }: GroupVersionKind, rawLength: number): Uint8Array[] {
  const writer = new ProtobufWriter({ initialBytes: 128 });
  const start = writer.beginMessage(1);
  writer.textField(1, formatApiVersion(group, version));
  writer.textField(2, kind);
  writer.endMessage(start);
  const lengthBytes = Buffer.allocUnsafe(6);
  lengthBytes[0] = 0x12;
  const prefix = lengthBytes.subarray(0, writeVarint(lengthBytes, 1, rawLength));
  return [magic, writer.finish(), prefix];
}

/** Empty `contentEncoding` and `contentType`, which Go writes. */
const emptyTrailer = Buffer.from([0x1a, 0x00, 0x22, 0x00]);
