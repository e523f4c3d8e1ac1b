import type { JsonObject, JsonValue } from './object.ts';

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object under `key`, if there is one. */
export function objectAt(parent: JsonObject | undefined, key: string): JsonObject | undefined {
  const value = parent?.[key];
  return isJsonObject(value) ? value : undefined;
}

/** The objects of the list under `key`; none if it is no list. */
export function objectsAt(parent: JsonObject | undefined, key: string): JsonObject[] {
  const value = parent?.[key];
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/** The text under `key`, `''` if there is none. */
export function textAt(parent: JsonObject | undefined, key: string): string {
  const value = parent?.[key];
  return typeof value === 'string' ? value : '';
}

/** The number under `key`, `0` if there is none. */
export function numberAt(parent: JsonObject | undefined, key: string): number {
  const value = parent?.[key];
  return typeof value === 'number' ? value : 0;
}

/** Sets what is absent, `null` or (for texts) empty. */
export function setDefault(object: JsonObject, key: string, value: JsonValue): void {
  const current = object[key];
  if (current === undefined || current === null || (current === '' && typeof value === 'string')) object[key] = value;
}

/** The object under `key`, made if absent. */
export function ensureObject(parent: JsonObject, key: string): JsonObject {
  const found = objectAt(parent, key);
  if (found !== undefined) return found;
  const made: JsonObject = {};
  parent[key] = made;
  return made;
}
