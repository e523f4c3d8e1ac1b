import { ApiError, badRequest } from '../errors.ts';
import { isJsonObject } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';
import { setKey } from '../set-key.ts';

export const patchDirective = '$patch';
export const retainKeysDirective = '$retainKeys';
export const deleteFromListPrefix = '$deleteFromPrimitiveList/';
export const elementOrderPrefix = '$setElementOrder/';

/** What a struct of the document has to be like before its patch is merged in. */
export interface DirectedObjects {
  readonly original: JsonObject;
  /** The patch without `$retainKeys`. */
  readonly patch: JsonObject;
}

/** Obeys `$retainKeys`: only the listed keys of the original stay; the patch may only set listed keys. */
export function applyRetainKeys(original: JsonObject, patch: JsonObject): DirectedObjects {
  const { [retainKeysDirective]: directive, ...rest } = patch;
  if (directive === undefined) return { original, patch };
  if (!Array.isArray(directive)) throw badRequest('invalid patch format of retainKeys');
  const retained = new Set(directive);
  for (const key of Object.keys(rest)) {
    if (!key.startsWith('$') && !retained.has(key)) {
      throw new ApiError('Invalid', "patch content doesn't match retainKeys list", { details: {} });
    }
  }
  return { original: Object.fromEntries(Object.entries(original).filter(([key]) => retained.has(key))), patch: rest };
}

/** A part of the patch that meets nothing in the document: its directives and nulls are dropped; `undefined` if it deletes itself. */
export function withoutDirectives(value: JsonValue): JsonValue | undefined {
  if (Array.isArray(value)) {
    return value.map(withoutDirectives).filter((element): element is JsonValue => element !== undefined);
  }
  if (!isJsonObject(value)) return value;
  if (value[patchDirective] === 'delete') return undefined;
  const result: JsonObject = {};
  for (const [key, child] of Object.entries(value)) {
    if (child === null || isDirective(key)) continue;
    const kept = withoutDirectives(child);
    if (kept !== undefined) setKey(result, key, kept);
  }
  // An element that is nothing but a directive is no element.
  return value[patchDirective] !== undefined && Object.keys(value).length === 1 ? undefined : result;
}

export function isDirective(key: string): boolean {
  return (
    key === patchDirective ||
    key === retainKeysDirective ||
    key.startsWith(deleteFromListPrefix) ||
    key.startsWith(elementOrderPrefix)
  );
}

/** An error that upstream gives without a reason: 500. */
export function patchFailure(message: string): ApiError {
  return new ApiError('', message);
}

/** How Go prints a value with `%v`: `map[name:web]`. */
export function formatGo(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(formatGo).join(' ')}]`;
  if (!isJsonObject(value)) return value === null ? '<nil>' : String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, child]) => `${key}:${formatGo(child)}`).join(' ')}]`;
}
