import { isJsonObject } from '../json-object.ts';
import { type Field, findModel, zeroKept } from '../model.ts';
import type { JsonObject, JsonValue } from '../object.ts';

/** What upstream's JSON always shows of a model: structs that are no pointers, zeros without `omitempty`, and the real defaults. */
interface ModelDefaults {
  readonly scalars: readonly (readonly [key: string, value: JsonValue])[];
  /** Struct fields that exist even when nothing was sent. */
  readonly structs: readonly string[];
  /** Fields that lead to models with defaults of their own. */
  readonly children: readonly (readonly [key: string, field: Field])[];
}

const cache = new Map<string, ModelDefaults>();
const needed = new Map<string, boolean>();

/** Fills in, in place, what the schema alone says about an object of this model. */
export function applySchemaDefaults(object: JsonObject, model: string): void {
  const { scalars, structs, children } = defaultsOf(model);
  for (const [key, value] of scalars) if (object[key] === undefined || object[key] === null) object[key] = value;
  for (const key of structs) if (object[key] === undefined || object[key] === null) object[key] = {};
  for (const [key, field] of children) {
    const child = object[key];
    if (child !== undefined && child !== null) descend(child, field);
  }
}

function descend(value: JsonValue, field: Field): void {
  if (field.ref !== undefined) {
    if (isJsonObject(value)) applySchemaDefaults(value, field.ref);
  } else if (field.list !== undefined) {
    if (Array.isArray(value)) for (const element of value) descend(element, field.list);
  } else if (field.map !== undefined && isJsonObject(value)) {
    for (const element of Object.values(value)) descend(element, field.map);
  }
}

function defaultsOf(name: string): ModelDefaults {
  const known = cache.get(name);
  if (known !== undefined) return known;
  const model = findModel(name);
  const kept = zeroKept(name);
  const scalars: [string, JsonValue][] = [];
  const structs: string[] = [];
  const children: [string, Field][] = [];
  for (const [key, field] of Object.entries(model?.fields ?? {})) {
    const value = scalarDefault(field, { kept: kept.has(key), required: model?.required?.includes(key) ?? false });
    if (value !== undefined) scalars.push([key, value]);
    if (isJsonObject(field.default)) structs.push(key);
    const target = modelBehind(field);
    if (target !== undefined && hasDefaults(target)) children.push([key, field]);
  }
  const defaults = { scalars, structs, children };
  cache.set(name, defaults);
  return defaults;
}

function scalarDefault(field: Field, { kept, required }: { kept: boolean; required: boolean }): JsonValue | undefined {
  const { default: value, type } = field;
  if (typeof value === 'string' && value !== '') return value;
  if (typeof value === 'number' && value !== 0) return value;
  if (!kept) return undefined;
  if (type === 'integer' || type === 'number') return 0;
  if (type === 'boolean') return false;
  // A required text that is missing is validation's to complain about.
  return type === 'string' && !required ? '' : undefined;
}

function modelBehind(field: Field): string | undefined {
  if (field.list !== undefined) return modelBehind(field.list);
  if (field.map !== undefined) return modelBehind(field.map);
  return field.ref;
}

/** Whether a model or anything below it has defaults; a model that contains itself is taken to have none until shown otherwise. */
function hasDefaults(name: string): boolean {
  const known = needed.get(name);
  if (known !== undefined) return known;
  needed.set(name, false);
  const { scalars, structs, children } = defaultsOf(name);
  const has = scalars.length > 0 || structs.length > 0 || children.length > 0;
  needed.set(name, has);
  return has;
}
