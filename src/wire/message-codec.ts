import { isJsonObject } from '../api/json-object.ts';
import { type Field, findModel, pointerScalars, zeroKept } from '../api/model.ts';
import type { JsonObject, JsonValue } from '../api/object.ts';
import { setKey } from '../api/set-key.ts';
import { ProtocolError } from '../lib/protocol-error.ts';
import { type EmbeddedMessage, embeddedMessageOf, fieldNumber, fieldOf } from './embedded-messages.ts';
import { type ProtobufReader, type ProtobufWriter, wireType } from './protobuf.ts';
import {
  boolCodec,
  bytesCodec,
  doubleCodec,
  emptyMessageCodec,
  int32Codec,
  int64Codec,
  readMapEntry,
  specialCodec,
  textCodec,
  type ValueCodec,
  wrappedTextsCodec,
} from './protobuf-value.ts';

/** A built-in model nests a few dozen levels; a schema of a custom resource somewhat more. */
const maxDepth = 500;

interface FieldCodec {
  readonly number: number;
  /** Reads one occurrence of the field into the object. */
  readonly read: (reader: ProtobufReader, type: number, target: JsonObject, depth: number) => void;
  /** Writes the field if the object has it. */
  readonly write: (writer: ProtobufWriter, source: JsonObject) => void;
}

/** The protobuf form of one model. */
export interface MessageCodec {
  readonly readInto: (reader: ProtobufReader, target: JsonObject, depth: number) => void;
  readonly write: (writer: ProtobufWriter, source: JsonObject) => void;
}

const messages = new Map<string, MessageCodec>();
const values = new Map<string, ValueCodec>();

/** The codec of a model's message, built on first use. */
export function messageCodec(model: string): MessageCodec {
  let codec = messages.get(model);
  if (codec === undefined) {
    codec = codecOf(() => fieldsOf(model));
    messages.set(model, codec);
  }
  return codec;
}

function codecOf(build: () => FieldCodec[]): MessageCodec {
  let fields: FieldCodec[] | undefined;
  let byNumber: (FieldCodec | undefined)[] = [];
  const compile = (): FieldCodec[] => {
    fields = build().toSorted((a, b) => a.number - b.number);
    byNumber = [];
    for (const field of fields) byNumber[field.number] = field;
    return fields;
  };
  return {
    readInto(reader, target, depth) {
      if (depth > maxDepth) throw new ProtocolError('Protobuf message is nested too deeply');
      if (fields === undefined) compile();
      for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
        const field = byNumber[tag >>> 3];
        if (field === undefined) reader.skip(tag & 7);
        else field.read(reader, tag & 7, target, depth);
      }
    },
    write(writer, source) {
      for (const field of fields ?? compile()) field.write(writer, source);
    },
  };
}

function fieldsOf(model: string): FieldCodec[] {
  const fields = Object.entries(findModel(model)?.fields ?? {}).flatMap(([name, field]) => {
    const number = fieldNumber(model, name);
    return number === undefined ? [] : [fieldCodec(name, field, { number, keep: keeps(model, name) })];
  });
  const embedded = embeddedMessageOf(model);
  return embedded === undefined ? fields : [...fields, embeddedCodec(model, embedded)];
}

/** Reads the nested message into the object itself and writes it from there. */
function embeddedCodec(outer: string, message: EmbeddedMessage): FieldCodec {
  const { number, model, fields, embedded } = message;
  const codec = codecOf(() => {
    const own = Object.entries(fields).flatMap(([name, inner]) => {
      const field = fieldOf(outer, name);
      return field === undefined ? [] : [fieldCodec(name, field, { number: inner, keep: keeps(model, name) })];
    });
    return embedded === undefined ? own : [...own, embeddedCodec(outer, embedded)];
  });
  return {
    number,
    read(reader, type, target, depth) {
      expectType(type, wireType.bytes);
      codec.readInto(reader.message(), target, depth + 1);
    },
    write(writer, source) {
      const start = writer.beginMessage(number);
      codec.write(writer, source);
      writer.endMessage(start);
    },
  };
}

function fieldCodec(name: string, field: Field, { number, keep }: { number: number; keep: boolean }): FieldCodec {
  if (field.list !== undefined && field.proto?.[1] !== 'Verbs') return listCodec(name, valueCodec(field.list), number);
  if (field.map !== undefined) return mapCodec(name, valueCodec(field.map), number);
  const codec = valueCodec(field);
  return {
    number,
    read(reader, type, target, depth) {
      expectType(type, codec.wireType);
      const value = codec.read(reader, depth);
      if (value !== undefined && (keep || !codec.isZero(value))) target[name] = value;
    },
    write(writer, source) {
      const value = source[name];
      if (value !== undefined && value !== null) codec.write(writer, number, value);
    },
  };
}

function listCodec(name: string, codec: ValueCodec, number: number): FieldCodec {
  return {
    number,
    read(reader, type, target, depth) {
      const known = target[name];
      const list: JsonValue[] = Array.isArray(known) ? known : [];
      target[name] = list;
      if (type === codec.wireType) {
        list.push(codec.read(reader, depth) ?? codec.zero());
        return;
      }
      // Numbers may come packed: many in one field.
      expectType(type, wireType.bytes);
      const packed = reader.message();
      while (!packed.atEnd) list.push(codec.read(packed, depth) ?? codec.zero());
    },
    write(writer, source) {
      const list = source[name];
      if (Array.isArray(list)) for (const value of list) codec.write(writer, number, value ?? codec.zero());
    },
  };
}

function mapCodec(name: string, codec: ValueCodec, number: number): FieldCodec {
  return {
    number,
    read(reader, type, target, depth) {
      expectType(type, wireType.bytes);
      const known = target[name];
      const map: JsonObject = isJsonObject(known) ? known : {};
      target[name] = map;
      readMapEntry(reader, codec, { target: map, depth, set: setKey });
    },
    write(writer, source) {
      const map = source[name];
      if (!isJsonObject(map)) return;
      // Go writes maps in the order of their keys, so that equal objects have equal bytes.
      for (const key of Object.keys(map).sort()) {
        const start = writer.beginMessage(number);
        writer.textField(1, key);
        codec.write(writer, 2, map[key] ?? codec.zero());
        writer.endMessage(start);
      }
    },
  };
}

function valueCodec(field: Field): ValueCodec {
  if (field.ref !== undefined) return modelCodec(field.ref);
  // A list where one value stands is a wrapped one: ExtraValue in a map, Verbs.
  if (field.list !== undefined) return wrappedTextsCodec;
  switch (field.type) {
    case 'boolean':
      return boolCodec;
    case 'integer':
      return field.format === 'int32' ? int32Codec : int64Codec;
    case 'number':
      return doubleCodec;
    default:
      return field.format === 'byte' ? bytesCodec : textCodec;
  }
}

function modelCodec(model: string): ValueCodec {
  const known = values.get(model);
  if (known !== undefined) return known;
  const codec = specialCodec(model, modelCodec) ?? structCodec(model);
  values.set(model, codec);
  return codec;
}

function structCodec(model: string): ValueCodec {
  if (findModel(model)?.fields === undefined) return emptyMessageCodec;
  const codec = messageCodec(model);
  return {
    wireType: wireType.bytes,
    read(reader, depth) {
      const object: JsonObject = {};
      codec.readInto(reader.message(), object, depth + 1);
      return object;
    },
    write(writer, number, value) {
      const start = writer.beginMessage(number);
      if (isJsonObject(value)) codec.write(writer, value);
      writer.endMessage(start);
    },
    zero: () => ({}),
    isZero: () => false,
  };
}

function keeps(model: string, name: string): boolean {
  return pointerScalars(model).has(name) || zeroKept(model).has(name);
}

function expectType(actual: number, expected: number): void {
  if (actual !== expected) throw new ProtocolError(`Protobuf field has wire type ${actual}, expected ${expected}`);
}
