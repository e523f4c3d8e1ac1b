import { type Field, findModel } from './model.ts';
import type { JsonObject, JsonValue } from './object.ts';

/** Models nest (JSONSchemaProps in itself); this deep is enough to meet every field. */
const maxDepth = 7;

/** Test data: an object of the model with every field set to something that is no zero. */
export function sampleObject(model: string, depth = 0): JsonObject {
  const object: JsonObject = {};
  for (const [name, field] of Object.entries(findModel(model)?.fields ?? {})) {
    if ((name === 'kind' || name === 'apiVersion') && field.proto === undefined) continue;
    const value = sampleValue(field, depth);
    if (value !== undefined) object[name] = value;
  }
  return object;
}

function sampleValue(field: Field, depth: number): JsonValue | undefined {
  if (field.ref !== undefined) return sampleReference(field.ref, depth);
  if (field.list !== undefined) {
    const element = sampleValue(field.list, depth);
    return element === undefined ? undefined : [element, structuredClone(element)];
  }
  if (field.map !== undefined) {
    const element = sampleValue(field.map, depth);
    return element === undefined ? undefined : { a: element, 'b/ü': structuredClone(element) };
  }
  switch (field.type) {
    case 'integer':
      return field.format === 'int32' ? -7 : 2 ** 40 + 1;
    case 'number':
      return 1.5;
    case 'boolean':
      return true;
    default:
      return field.format === 'byte' ? 'AAEC/w==' : 'täxt';
  }
}

function sampleReference(model: string, depth: number): JsonValue | undefined {
  switch (model.slice(model.lastIndexOf('.') + 1)) {
    case 'Time':
      return '2026-01-02T03:04:05Z';
    case 'MicroTime':
      return '2026-01-02T03:04:05.678901Z';
    case 'Quantity':
      return '1500m';
    case 'IntOrString':
      return '25%';
    case 'RawExtension':
    case 'FieldsV1':
    case 'JSON':
      return { 'f:spec': { '.': {} } };
    case 'JSONSchemaPropsOrBool':
      return false;
    case 'JSONSchemaPropsOrArray':
      return { type: 'string' };
    case 'JSONSchemaPropsOrStringArray':
      return ['a', 'b'];
    default:
      return depth >= maxDepth
        ? undefined
        : sampleObject(model, model.endsWith('.JSONSchemaProps') ? maxDepth : depth + 1);
  }
}
