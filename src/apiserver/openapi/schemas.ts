import { type Field, findModel, type Model } from '../../api/model.ts';
import type { JsonObject, JsonValue } from '../../api/object.ts';
import type { Descriptions } from './descriptions.ts';

export interface SchemaOptions {
  /** OpenAPI 2 refers to `#/definitions/`, OpenAPI 3 to `#/components/schemas/`. */
  readonly form: 'v2' | 'v3';
  readonly descriptions: Descriptions;
}

/** Schemas of `roots` (model names) and of all they refer to, by name in alphabetical order. */
export function collectSchemas(roots: Iterable<string>, options: SchemaOptions): Record<string, JsonObject> {
  const pending = [...roots];
  const found = new Map<string, JsonObject>();
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const model = findModel(name);
    if (found.has(name) || !model) continue;
    found.set(name, modelSchema(name, model, options));
    for (const field of Object.values(model.fields ?? {})) {
      const ref = refOf(field);
      if (ref !== undefined) pending.push(ref);
    }
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `{ $ref }` to a model in the chosen form. */
export function refTo(model: string, form: SchemaOptions['form']): JsonObject {
  return { $ref: `${form === 'v2' ? '#/definitions/' : '#/components/schemas/'}${model}` };
}

function refOf(field: Field): string | undefined {
  return field.ref ?? (field.list ? refOf(field.list) : field.map ? refOf(field.map) : undefined);
}

function modelSchema(name: string, model: Model, options: SchemaOptions): JsonObject {
  const [description, fields = {}] = options.descriptions[name] ?? [];
  const schema: JsonObject = { ...(description && { description }), ...scalarForm(model, options.form) };
  if (model.fields) {
    const properties: JsonObject = {};
    for (const [key, field] of Object.entries(model.fields)) properties[key] = fieldSchema(field, fields[key], options);
    schema['properties'] = properties;
  }
  if (model.required) schema['required'] = [...model.required];
  if (model.mapType) schema['x-kubernetes-map-type'] = model.mapType;
  if (model.gvk) {
    schema['x-kubernetes-group-version-kind'] = model.gvk.map(([group, version, kind]) => ({ group, kind, version }));
  }
  return schema;
}

/** Models without fields carry their own `type`, `format` or `oneOf`; OpenAPI 2 has no `oneOf` and calls such a value a string. */
function scalarForm(model: Model, form: SchemaOptions['form']): JsonObject {
  const { type, format, oneOf } = model as { type?: string; format?: string; oneOf?: string[] };
  if (oneOf && form === 'v3') return { ...(format && { format }), oneOf: oneOf.map((one) => ({ type: one })) };
  return { type: oneOf ? 'string' : (type ?? 'object'), ...(format && { format }) };
}

function fieldSchema(field: Field, description: string | undefined, options: SchemaOptions): JsonObject {
  const text: JsonObject = description ? { description } : {};
  const preset: JsonObject = field.default !== undefined ? { default: field.default as JsonValue } : {};
  return { ...text, ...preset, ...contentSchema(field, options, description !== undefined), ...extensions(field) };
}

function contentSchema(field: Field, options: SchemaOptions, described: boolean): JsonObject {
  if (field.ref !== undefined) {
    const ref = refTo(field.ref, options.form);
    return options.form === 'v3' && described ? { allOf: [ref] } : ref;
  }
  if (field.list) return { type: 'array', items: contentSchema(field.list, options, false) };
  if (field.map) return { type: 'object', additionalProperties: contentSchema(field.map, options, false) };
  return {
    ...(field.type && { type: field.type }),
    ...(field.format && { format: field.format }),
    ...(field.enum && { enum: [...field.enum] }),
  };
}

function extensions(field: Field): JsonObject {
  return {
    ...(field.patchStrategy && { 'x-kubernetes-patch-strategy': field.patchStrategy }),
    ...(field.patchMergeKey && { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
    ...(field.listType && { 'x-kubernetes-list-type': field.listType }),
    ...(field.listMapKeys && { 'x-kubernetes-list-map-keys': [...field.listMapKeys] }),
    ...(field.mapType && { 'x-kubernetes-map-type': field.mapType }),
  };
}
