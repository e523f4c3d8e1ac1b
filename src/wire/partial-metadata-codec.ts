import { isJsonObject } from '../api/json-object.ts';
import type { JsonObject, JsonValue } from '../api/object.ts';
import { type MessageCodec, messageCodec } from './message-codec.ts';
import type { ProtobufReader, ProtobufWriter } from './protobuf.ts';

/** The name under which `encodeProtobufItem` encodes an object's metadata alone. */
export const partialMetadataItem = 'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata';

const metaV1 = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** `meta.k8s.io` kinds that OpenAPI does not list: an object's metadata, and a list of them. */
export function partialMetadataCodec(kind: string, version: string): MessageCodec | undefined {
  if (kind === 'PartialObjectMetadata') return item;
  if (kind === 'PartialObjectMetadataList') return version === 'v1beta1' ? listV1Beta1 : listV1;
  return undefined;
}

const item: MessageCodec = {
  readInto(reader, target, depth) {
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === 0x0a) target['metadata'] = readMessage(`${metaV1}.ObjectMeta`, reader, depth);
      else reader.skip(tag & 7);
    }
  },
  write: (writer, source) => writeMessage(writer, 1, { model: `${metaV1}.ObjectMeta`, value: source['metadata'] }),
};

const listV1 = listCodec({ metadata: 1, items: 2 });
const listV1Beta1 = listCodec({ metadata: 2, items: 1 });

function listCodec(numbers: { metadata: number; items: number }): MessageCodec {
  return {
    readInto(reader, target, depth) {
      const items: JsonObject[] = [];
      target['items'] = items;
      for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
        if (tag === numbers.metadata * 8 + 2) target['metadata'] = readMessage(`${metaV1}.ListMeta`, reader, depth);
        else if (tag === numbers.items * 8 + 2) {
          const object: JsonObject = {};
          item.readInto(reader.message(), object, depth + 1);
          items.push(object);
        } else reader.skip(tag & 7);
      }
    },
    write(writer, source) {
      writeMessage(writer, numbers.metadata, { model: `${metaV1}.ListMeta`, value: source['metadata'] });
      const items = source['items'];
      if (!Array.isArray(items)) return;
      for (const object of items) {
        const start = writer.beginMessage(numbers.items);
        if (isJsonObject(object)) item.write(writer, object);
        writer.endMessage(start);
      }
    },
  };
}

function readMessage(model: string, reader: ProtobufReader, depth: number): JsonObject {
  const object: JsonObject = {};
  messageCodec(model).readInto(reader.message(), object, depth + 1);
  return object;
}

function writeMessage(
  writer: ProtobufWriter,
  number: number,
  { model, value }: { model: string; value: JsonValue | undefined },
): void {
  const start = writer.beginMessage(number);
  if (isJsonObject(value)) messageCodec(model).write(writer, value);
  writer.endMessage(start);
}
