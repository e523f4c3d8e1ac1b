import type { JsonObject, JsonValue } from '../api/object.ts';
import { formatMicroTime, formatTime, type Instant, parseTimestamp } from '../api/timestamp.ts';
import { ProtocolError } from '../lib/protocol-error.ts';
import type { ProtobufReader, ProtobufWriter } from './protobuf.ts';

/** The wire form of one value of a field. */
export interface ValueCodec {
  /** Wire type of one value; `packable` ones may also come many in one length-delimited field. */
  readonly wireType: number;
  /** Reads a value; `undefined` means that nothing was set (an empty Time). */
  readonly read: (reader: ProtobufReader, depth: number) => JsonValue | undefined;
  /** Writes the whole field, tag included. */
  readonly write: (writer: ProtobufWriter, number: number, value: JsonValue) => void;
  /** What a list element or map value is that the wire left out. */
  readonly zero: () => JsonValue;
  /** Whether the zero means absence in JSON, unless the field is a pointer or is always kept. */
  readonly isZero: (value: JsonValue) => boolean;
}

const never = () => false;

export const textCodec: ValueCodec = {
  wireType: 2,
  read: (reader) => reader.text(),
  write: (writer, number, value) => writer.textField(number, String(value)),
  zero: () => '',
  isZero: (value) => value === '',
};

export const boolCodec: ValueCodec = {
  wireType: 0,
  read: (reader) => reader.bool(),
  write: (writer, number, value) => writer.boolField(number, value === true),
  zero: () => false,
  isZero: (value) => value === false,
};

export const int32Codec: ValueCodec = {
  wireType: 0,
  read: (reader) => reader.int32(),
  write: (writer, number, value) => writer.varintField(number, Number(value)),
  zero: () => 0,
  isZero: (value) => value === 0,
};

export const int64Codec: ValueCodec = { ...int32Codec, read: (reader) => reader.int64() };

export const doubleCodec: ValueCodec = {
  wireType: 1,
  read: (reader) => reader.double(),
  write: (writer, number, value) => writer.doubleField(number, Number(value)),
  zero: () => 0,
  isZero: (value) => value === 0,
};

/** `bytes` on the wire, base64 in JSON. */
export const bytesCodec: ValueCodec = {
  wireType: 2,
  read: (reader) => reader.bytes().toString('base64'),
  write: (writer, number, value) => writer.bytesField(number, Buffer.from(String(value), 'base64')),
  zero: () => '',
  isZero: (value) => value === '',
};

function timeCodec(format: (instant: Instant) => string): ValueCodec {
  return {
    wireType: 2,
    read(reader) {
      const message = reader.message();
      let seconds: number | undefined;
      let nanos = 0;
      for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
        if (tag === 0x08) seconds = message.int64();
        else if (tag === 0x10) nanos = message.int32();
        else message.skip(tag & 7);
      }
      if (seconds === undefined) return undefined;
      // Year 1 to 9999; anything else is no time that JSON can say.
      if (seconds < -62_135_596_800 || seconds > 253_402_300_799) throw new ProtocolError('Time is out of range');
      return format({ seconds, nanos });
    },
    write(writer, number, value) {
      const instant = parseTimestamp(String(value));
      const start = writer.beginMessage(number);
      if (instant !== undefined) {
        writer.varintField(1, instant.seconds);
        writer.varintField(2, instant.nanos);
      }
      writer.endMessage(start);
    },
    zero: () => null,
    isZero: never,
  };
}

const quantityCodec: ValueCodec = {
  wireType: 2,
  read(reader) {
    const message = reader.message();
    let text = '0';
    for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
      if (tag === 0x0a) text = message.text();
      else message.skip(tag & 7);
    }
    return text;
  },
  write(writer, number, value) {
    const start = writer.beginMessage(number);
    writer.textField(1, String(value));
    writer.endMessage(start);
  },
  zero: () => '0',
  isZero: never,
};

const intOrStringCodec: ValueCodec = {
  wireType: 2,
  read(reader) {
    const message = reader.message();
    let isText = false;
    let number = 0;
    let text = '';
    for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
      if (tag === 0x08) isText = message.bool();
      else if (tag === 0x10) number = message.int32();
      else if (tag === 0x1a) text = message.text();
      else message.skip(tag & 7);
    }
    return isText ? text : number;
  },
  write(writer, number, value) {
    const start = writer.beginMessage(number);
    const isText = typeof value === 'string';
    writer.varintField(1, isText ? 1 : 0);
    writer.varintField(2, isText ? 0 : Number(value));
    writer.textField(3, isText ? value : '');
    writer.endMessage(start);
  },
  zero: () => 0,
  isZero: never,
};

/** A message whose field 1 holds JSON: RawExtension, FieldsV1, apiextensions' JSON. */
const rawJsonCodec: ValueCodec = {
  wireType: 2,
  read(reader) {
    const message = reader.message();
    let raw: Buffer | undefined;
    for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
      if (tag === 0x0a) raw = message.bytes();
      else message.skip(tag & 7);
    }
    if (raw === undefined || raw.length === 0) return undefined;
    try {
      return JSON.parse(raw.toString('utf8')) as JsonValue;
    } catch (cause) {
      throw new ProtocolError('Embedded object is not JSON', { cause });
    }
  },
  write(writer, number, value) {
    const start = writer.beginMessage(number);
    writer.bytesField(1, Buffer.from(JSON.stringify(value)));
    writer.endMessage(start);
  },
  zero: () => null,
  isZero: never,
};

/** A plain list in JSON, `{items = 1}` on the wire: ExtraValue, Verbs. */
export const wrappedTextsCodec: ValueCodec = {
  wireType: 2,
  read(reader) {
    const message = reader.message();
    const items: JsonValue[] = [];
    for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
      if (tag === 0x0a) items.push(message.text());
      else message.skip(tag & 7);
    }
    return items;
  },
  write(writer, number, value) {
    const start = writer.beginMessage(number);
    if (Array.isArray(value)) for (const item of value) writer.textField(1, String(item));
    writer.endMessage(start);
  },
  zero: () => [],
  isZero: never,
};

/** A message without fields: presence is all it says. */
export const emptyMessageCodec: ValueCodec = {
  wireType: 2,
  read(reader) {
    reader.bytes();
    return {};
  },
  write: (writer, number) => writer.endMessage(writer.beginMessage(number)),
  zero: () => ({}),
  isZero: never,
};

const schemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';

/** `JSONSchemaPropsOr…`: one of two forms in JSON, two fields on the wire. `props` is the codec of JSONSchemaProps itself. */
function schemaUnion(
  props: ValueCodec,
  { schemaField, other }: { schemaField: number; other: 'bool' | 'schemas' | 'texts' },
): ValueCodec {
  const otherField = schemaField === 1 ? 2 : 1;
  return {
    wireType: 2,
    read(reader, depth) {
      const message = reader.message();
      let schema: JsonValue | undefined;
      let allows = false;
      const items: JsonValue[] = [];
      for (let tag = message.tag(); tag !== 0; tag = message.tag()) {
        if (tag === schemaField * 8 + 2) schema = props.read(message, depth);
        else if (tag === otherField * 8 && other === 'bool') allows = message.bool();
        else if (tag === otherField * 8 + 2 && other === 'schemas') items.push(props.read(message, depth) ?? {});
        else if (tag === otherField * 8 + 2 && other === 'texts') items.push(message.text());
        else message.skip(tag & 7);
      }
      return schema ?? (other === 'bool' ? allows : items);
    },
    write(writer, number, value) {
      const start = writer.beginMessage(number);
      if (Array.isArray(value)) {
        for (const item of value) (other === 'texts' ? textCodec : props).write(writer, otherField, item);
      } else if (typeof value === 'boolean') writer.boolField(otherField, value);
      else {
        // Go writes `allows` with a schema as well.
        if (other === 'bool') writer.boolField(otherField, true);
        props.write(writer, schemaField, value);
      }
      writer.endMessage(start);
    },
    zero: () => ({}),
    isZero: never,
  };
}

/** The codec of a model that is no plain message; `messageCodec` gives the codec of another model. */
export function specialCodec(model: string, messageCodec: (model: string) => ValueCodec): ValueCodec | undefined {
  switch (model.slice(model.lastIndexOf('.') + 1)) {
    case 'Time':
      return timeCodec(formatTime);
    case 'MicroTime':
      return timeCodec(formatMicroTime);
    case 'Quantity':
      return quantityCodec;
    case 'IntOrString':
      return intOrStringCodec;
    case 'RawExtension':
    case 'FieldsV1':
    case 'JSON':
      return rawJsonCodec;
    case 'JSONSchemaPropsOrBool':
      return schemaUnion(messageCodec(schemaProps), { schemaField: 2, other: 'bool' });
    case 'JSONSchemaPropsOrArray':
      return schemaUnion(messageCodec(schemaProps), { schemaField: 1, other: 'schemas' });
    case 'JSONSchemaPropsOrStringArray':
      return schemaUnion(messageCodec(schemaProps), { schemaField: 1, other: 'texts' });
    default:
      return undefined;
  }
}

/** Reads one entry of a map field into `target`. */
export function readMapEntry(
  reader: ProtobufReader,
  value: ValueCodec,
  { target, depth, set }: { target: JsonObject; depth: number; set: (o: JsonObject, k: string, v: JsonValue) => void },
): void {
  const entry: ProtobufReader = reader.message();
  let key = '';
  let found: JsonValue | undefined;
  for (let tag = entry.tag(); tag !== 0; tag = entry.tag()) {
    if (tag === 0x0a) key = entry.text();
    else if (tag >>> 3 === 2 && (tag & 7) === value.wireType) found = value.read(entry, depth);
    else entry.skip(tag & 7);
  }
  set(target, key, found ?? value.zero());
}
