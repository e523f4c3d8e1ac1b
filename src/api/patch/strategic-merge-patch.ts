import { ApiError, badRequest } from '../errors.ts';
import { isJsonObject } from '../json-object.ts';
import type { JsonObject, JsonValue } from '../object.ts';
import { setKey } from '../set-key.ts';
import { followsOrder, type Identify, orderElements } from './element-order.ts';
import {
  childSchema,
  elementSchema,
  isMerged,
  isReplaced,
  mergeKeyOf,
  type PatchSchema,
  rootSchema,
} from './patch-schema.ts';
import {
  applyRetainKeys,
  deleteFromListPrefix,
  elementOrderPrefix,
  formatGo,
  isDirective,
  patchDirective,
  patchFailure,
  withoutDirectives,
} from './strategic-directives.ts';

/**
 * Applies a strategic merge patch by the merge rules of the model. Neither argument is changed; the result shares parts with both.
 * Source: `k8s.io/apimachinery/pkg/util/strategicpatch`.
 * @throws {ApiError} BadRequest for malformed directives, Invalid for lists of lists and `$retainKeys` that do not fit, without a reason (500) for
 * a list element without its merge key
 */
export function applyStrategicMergePatch(document: JsonObject, patch: unknown, modelName: string): JsonObject {
  if (!isJsonObject(patch)) throw badRequest('invalid JSON document');
  return mergeObject(document, patch, rootSchema(modelName));
}

function mergeObject(document: JsonObject, incoming: JsonObject, schema: PatchSchema | undefined): JsonObject {
  const directive = incoming[patchDirective];
  if (directive !== undefined) return directed(incoming, directive);
  const { original, patch } = applyRetainKeys(document, incoming);
  const result = { ...original };
  const ordered = new Set<string>();
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(elementOrderPrefix)) continue;
    const name = key.slice(elementOrderPrefix.length);
    ordered.add(name);
    const list = mergeOrdered({ original, patch, name, order }, childSchema(schema, name));
    if (list !== undefined) setKey(result, name, list);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deleteFromListPrefix)) {
      deleteFromList(result, key.slice(deleteFromListPrefix.length), value);
    } else if (!isDirective(key) && !(ordered.has(key) && Array.isArray(value))) {
      mergeField(result, key, { value, schema: childSchema(schema, key) });
    }
  }
  return result;
}

function directed(patch: JsonObject, directive: JsonValue): JsonObject {
  if (directive === 'delete') return {};
  if (directive === 'replace') {
    const { [patchDirective]: _, ...rest } = patch;
    return rest;
  }
  throw patchFailure(`unknown patch type: ${formatGo(directive)} found in map: ${formatGo(patch)}`);
}

function mergeField(
  result: JsonObject,
  key: string,
  { value, schema }: { value: JsonValue; schema: PatchSchema | undefined },
): void {
  if (value === null) {
    delete result[key];
    return;
  }
  const current = Object.hasOwn(result, key) ? result[key] : undefined;
  if (current === undefined || current === null) {
    const added = withoutDirectives(value);
    if (added !== undefined) setKey(result, key, added);
  } else if (isJsonObject(current) && isJsonObject(value)) {
    setKey(result, key, isReplaced(schema) ? value : mergeObject(current, value, schema));
  } else if (Array.isArray(current) && Array.isArray(value) && isMerged(schema)) {
    setKey(result, key, mergeList(current, value, schema));
  } else setKey(result, key, value);
}

/** A list with a `$setElementOrder` directive; `undefined` if neither side has the list. */
function mergeOrdered(
  { original, patch, name, order }: { original: JsonObject; patch: JsonObject; name: string; order: JsonValue },
  schema: PatchSchema | undefined,
): JsonValue[] | undefined {
  if (!Array.isArray(order)) throw badRequest('invalid patch format of setElementOrder list');
  const current = original[name];
  const incoming = patch[name];
  const live = Array.isArray(current) ? current : undefined;
  const sent = Array.isArray(incoming) ? incoming : undefined;
  if (live === undefined && sent === undefined) return undefined;
  const identify = identifyBy(mergeKeyOf(schema));
  const kept = (sent ?? []).filter((element) => !isJsonObject(element) || element[patchDirective] === undefined);
  if (!followsOrder(kept, order, identify)) {
    throw patchFailure(
      `The order in patch list:\n${formatGo(kept)}\n doesn't match $setElementOrder list:\n${formatGo(order)}\n`,
    );
  }
  const merged = live === undefined ? withoutDirectives(sent ?? []) : mergeList(live, sent ?? [], schema);
  return orderElements(Array.isArray(merged) ? merged : [], {
    patchOrder: order,
    serverOrder: live ?? [],
    identify,
  });
}

function mergeList(
  original: readonly JsonValue[],
  patch: readonly JsonValue[],
  schema: PatchSchema | undefined,
): JsonValue[] {
  const sample = original[0] ?? patch[0];
  if (sample === undefined) return [];
  if (Array.isArray(sample)) {
    throw new ApiError('Invalid', 'lists of lists are not supported', { details: {} });
  }
  const mergeKey = mergeKeyOf(schema);
  if (!isJsonObject(sample)) {
    const merged = [...new Set([...original, ...patch])];
    return orderElements(merged, { patchOrder: patch, serverOrder: original, identify: identifyBy(undefined) });
  }
  if (mergeKey === undefined) throw patchFailure('cannot merge lists without merge key');
  return mergeObjects(original, patch, { mergeKey, schema: elementSchema(schema) });
}

function mergeObjects(
  original: readonly JsonValue[],
  patch: readonly JsonValue[],
  { mergeKey, schema }: { mergeKey: string; schema: PatchSchema | undefined },
): JsonValue[] {
  const identify = identifyBy(mergeKey);
  const elements: JsonObject[] = [];
  const deleted = new Set<string>();
  let replace = false;
  for (const element of patch) {
    if (!isJsonObject(element)) throw patchFailure(`expected a map in the list with merge key ${mergeKey}`);
    const directive = element[patchDirective];
    if (directive === undefined) elements.push(element);
    else if (directive === 'replace') replace = true;
    else if (directive === 'delete') deleted.add(identify(checkKey(element, mergeKey)));
    else if (directive === 'merge') throw patchFailure('merging lists cannot yet be specified in the patch');
    else throw patchFailure(`unknown patch type: ${formatGo(directive)} found in map: ${formatGo(element)}`);
  }
  if (replace) return elements;

  const merged = original.filter((element) => !isJsonObject(element) || !deleted.has(identify(element)));
  for (const element of elements) {
    const id = identify(checkKey(element, mergeKey));
    const index = merged.findIndex((candidate) => isJsonObject(candidate) && identify(candidate) === id);
    const match = merged[index];
    if (isJsonObject(match)) merged[index] = mergeObject(match, element, schema);
    else {
      const added = withoutDirectives(element);
      if (added !== undefined) merged.push(added);
    }
  }
  return orderElements(merged, { patchOrder: elements, serverOrder: original, identify });
}

function deleteFromList(result: JsonObject, name: string, values: JsonValue): void {
  if (!Array.isArray(values)) throw badRequest('invalid patch format of primitive list');
  const list = result[name];
  if (Array.isArray(list)) result[name] = list.filter((element) => !values.includes(element));
}

function checkKey(element: JsonObject, mergeKey: string): JsonObject {
  if (element[mergeKey] !== undefined) return element;
  throw patchFailure(`map: ${formatGo(element)} does not contain declared merge key: ${mergeKey}`);
}

function identifyBy(mergeKey: string | undefined): Identify {
  return (element) => {
    if (mergeKey === undefined || !isJsonObject(element)) return formatGo(element);
    return formatGo(element[mergeKey] ?? null);
  };
}
