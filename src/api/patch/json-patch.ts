import { ApiError, badRequest } from '../errors.ts';
import { cloneJson, equalJson } from '../json-equal.ts';
import { isJsonObject } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';
import { setKey } from '../set-key.ts';

export const maxJsonPatchOperations = 10_000;
/** How much the `copy` operations of one patch may add, in bytes of JSON. */
export const maxJsonPatchCopyBytes = 3 * 1024 * 1024;

/**
 * Applies an RFC 6902 patch to a copy of the document.
 * @throws {ApiError} BadRequest for what is no patch, RequestEntityTooLarge for too many operations, Invalid (with upstream's generic text) for one
 * that does not apply
 */
export function applyJsonPatch(document: JsonValue, patch: unknown): JsonValue {
  const operations = parseOperations(patch);
  const root = { value: cloneJson(document) };
  let copied = 0;
  for (const operation of operations) {
    const path = parsePointer(operation.path);
    switch (operation.op) {
      case 'add':
        addAt(root, path, cloneJson(operation.value));
        break;
      case 'remove':
        removeAt(root, path);
        break;
      case 'replace':
        getAt(root, path);
        if (path.length === 0) root.value = cloneJson(operation.value);
        else replaceAt(root, path, cloneJson(operation.value));
        break;
      case 'move': {
        const from = parsePointer(operation.from);
        if (path.length > from.length && from.every((part, index) => part === path[index])) throw rejected();
        const value = getAt(root, from);
        removeAt(root, from);
        addAt(root, path, value);
        break;
      }
      case 'copy': {
        const value = cloneJson(getAt(root, parsePointer(operation.from)));
        copied += JSON.stringify(value).length;
        if (copied > maxJsonPatchCopyBytes) throw rejected();
        addAt(root, path, value);
        break;
      }
      case 'test':
        if (!equalJson(findAt(root, path) ?? null, operation.value)) throw rejected();
        break;
    }
  }
  return root.value;
}

interface Root {
  value: JsonValue;
}

type Operation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: JsonValue }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; path: string; from: string };

function parseOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch))
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  if (patch.length > maxJsonPatchOperations) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${maxJsonPatchOperations}, got ${patch.length}`,
    );
  }
  return patch.map(parseOperation);
}

function parseOperation(entry: unknown): Operation {
  if (!isJsonObject(entry)) throw badRequest('error decoding patch: an operation must be an object');
  const { op, path, from } = entry;
  if (typeof path !== 'string') throw rejected();
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      return { op, path, value: entry['value'] ?? null };
    case 'remove':
      return { op, path };
    case 'move':
    case 'copy':
      if (typeof from !== 'string') throw rejected();
      return { op, path, from };
    default:
      throw rejected();
  }
}

function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw rejected();
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value at the path, `undefined` if the last step leads nowhere; an earlier one is an error. */
function findAt(root: Root, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = root.value;
  for (const part of path) {
    if (Array.isArray(value)) value = value[arrayIndex(part, value.length - 1)];
    else if (isJsonObject(value)) value = Object.hasOwn(value, part) ? value[part] : undefined;
    else throw rejected();
  }
  return value;
}

function getAt(root: Root, path: readonly string[]): JsonValue {
  const value = findAt(root, path);
  if (value === undefined) throw rejected();
  return value;
}

function addAt(root: Root, path: readonly string[], value: JsonValue): void {
  const last = path.at(-1);
  if (last === undefined) {
    root.value = value;
    return;
  }
  const parent = containerAt(root, path);
  if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : arrayIndex(last, parent.length), 0, value);
  else setKey(parent, last, value);
}

function replaceAt(root: Root, path: readonly string[], value: JsonValue): void {
  const last = path.at(-1) ?? '';
  const parent = containerAt(root, path);
  if (Array.isArray(parent)) parent[arrayIndex(last, parent.length - 1)] = value;
  else setKey(parent, last, value);
}

function removeAt(root: Root, path: readonly string[]): void {
  const last = path.at(-1);
  if (last === undefined) throw rejected();
  const parent = containerAt(root, path);
  if (Array.isArray(parent)) parent.splice(arrayIndex(last, parent.length - 1), 1);
  else if (Object.hasOwn(parent, last)) delete parent[last];
  else throw rejected();
}

function containerAt(root: Root, path: readonly string[]): JsonObject | JsonValue[] {
  const parent = getAt(root, path.slice(0, -1));
  if (Array.isArray(parent) || isJsonObject(parent)) return parent;
  throw rejected();
}

function arrayIndex(part: string, max: number): number {
  const index = /^(?:0|[1-9][0-9]{0,8})$/.test(part) ? Number(part) : -1;
  if (index < 0 || index > max) throw rejected();
  return index;
}

/** Upstream hides what went wrong behind a generic text. */
function rejected(): ApiError {
  return new ApiError('Invalid', 'the server rejected our request due to an error in our request', { details: {} });
}
