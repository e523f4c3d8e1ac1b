import type { JsonObject, JsonValue } from '../../api/object.ts';
import { ProtobufWriter } from '../../wire/protobuf.ts';

/**
 * Encodes an OpenAPI 2 document as gnostic's `openapi.v2.Document`, which kubectl before 1.29 insists on.
 * Only what such documents of ours contain is known. Field numbers: google/gnostic `openapiv2/OpenAPIv2.proto`.
 */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  const writer = new ProtobufWriter({ initialBytes: 1 << 20 });
  writer.textField(1, text(document['swagger']));
  message(writer, 2, () => {
    const info = object(document['info']);
    writer.textField(1, text(info['title']));
    writer.textField(2, text(info['version']));
  });
  message(writer, 8, () => {
    named(writer, 2, object(document['paths']), (item) => pathItem(writer, object(item)));
  });
  message(writer, 9, () => {
    named(writer, 1, object(document['definitions']), (schema) => writeSchema(writer, object(schema)));
  });
  return writer.finish();
}

const methodFields: Readonly<Record<string, number>> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function pathItem(writer: ProtobufWriter, item: JsonObject): void {
  for (const [method, field] of Object.entries(methodFields)) {
    const operation = item[method];
    if (operation === undefined) continue;
    message(writer, field, () => {
      parameters(writer, 8, object(operation));
      extensions(writer, 13, object(operation));
    });
  }
  parameters(writer, 9, item);
}

function parameters(writer: ProtobufWriter, field: number, owner: JsonObject): void {
  for (const value of array(owner['parameters'])) {
    const parameter = object(value);
    const inPath = parameter['in'] === 'path';
    // ParametersItem.parameter → Parameter.non_body_parameter → path or query parameter
    message(writer, field, () =>
      message(writer, 1, () =>
        message(writer, 2, () =>
          message(writer, inPath ? 4 : 3, () => {
            if (inPath) writer.boolField(1, true);
            writer.textField(2, text(parameter['in']));
            writer.textField(4, text(parameter['name']));
            writer.textField(inPath ? 5 : 6, text(parameter['type']));
          }),
        ),
      ),
    );
  }
}

function writeSchema(writer: ProtobufWriter, schema: JsonObject): void {
  const { $ref: ref, format, description, type, items, properties, required, additionalProperties } = schema;
  if (ref !== undefined) writer.textField(1, text(ref));
  if (format !== undefined) writer.textField(2, text(format));
  if (description !== undefined) writer.textField(4, text(description));
  if (schema['default'] !== undefined) message(writer, 5, () => any(writer, schema['default'] ?? null));
  for (const name of array(required)) writer.textField(19, text(name));
  for (const value of array(schema['enum'])) message(writer, 20, () => any(writer, value));
  if (additionalProperties !== undefined) {
    message(writer, 21, () => message(writer, 1, () => writeSchema(writer, object(additionalProperties))));
  }
  if (type !== undefined) message(writer, 22, () => writer.textField(1, text(type)));
  if (items !== undefined) message(writer, 23, () => message(writer, 1, () => writeSchema(writer, object(items))));
  if (properties !== undefined) {
    message(writer, 25, () => named(writer, 1, object(properties), (value) => writeSchema(writer, object(value))));
  }
  extensions(writer, 31, schema);
}

/** `x-…` members as NamedAny, whose value is YAML; JSON is YAML. */
function extensions(writer: ProtobufWriter, field: number, owner: JsonObject): void {
  for (const [key, value] of Object.entries(owner)) {
    if (!key.startsWith('x-')) continue;
    message(writer, field, () => {
      writer.textField(1, key);
      message(writer, 2, () => any(writer, value));
    });
  }
}

function any(writer: ProtobufWriter, value: JsonValue): void {
  writer.textField(2, JSON.stringify(value));
}

/** A repeated message of a name (1) and a value (2). */
function named(writer: ProtobufWriter, field: number, members: JsonObject, write: (value: JsonValue) => void): void {
  for (const [name, value] of Object.entries(members)) {
    message(writer, field, () => {
      writer.textField(1, name);
      message(writer, 2, () => write(value));
    });
  }
}

function message(writer: ProtobufWriter, field: number, write: () => void): void {
  const lengthAt = writer.beginMessage(field);
  write();
  writer.endMessage(lengthAt);
}

// The documents are built here, so their shapes are known; these say it to the compiler.
const text = (value: JsonValue | undefined): string => String(value);
const object = (value: JsonValue | undefined): JsonObject => (value ?? {}) as JsonObject;
const array = (value: JsonValue | undefined): JsonValue[] => (value ?? []) as JsonValue[];
