import { badRequest } from '../errors.ts';
import { isJsonObject } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';
import { setKey } from '../set-key.ts';

/**
 * Applies an RFC 7386 patch: objects merge, `null` removes, everything else replaces. Parts that do not change are shared with the document.
 * @throws {ApiError} BadRequest if the patch is no object
 */
export function applyMergePatch(document: JsonObject, patch: unknown): JsonObject {
  if (!isJsonObject(patch)) throw badRequest('error decoding patch: the patch must be a JSON object');
  return mergeObject(document, patch);
}

function mergeObject(document: JsonObject, patch: JsonObject): JsonObject {
  const result = { ...document };
  for (const key of Object.keys(patch)) {
    const value: JsonValue = patch[key] ?? null;
    if (value === null) delete result[key];
    else if (isJsonObject(value)) {
      const current = Object.hasOwn(result, key) ? result[key] : undefined;
      setKey(result, key, mergeObject(isJsonObject(current) ? current : {}, value));
    } else setKey(result, key, value);
  }
  return result;
}
