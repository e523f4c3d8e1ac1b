import { isJsonObject, objectAt } from '../../api/json-object.ts';
import type { JsonObject, JsonValue } from '../../api/object.ts';

/** What extension API servers say in OpenAPI. */
export interface RemoteOpenApi {
  /** Changes when anything of it does. */
  readonly generation: number;
  /** Where the OpenAPI 3 document of a key such as `apis/metrics.k8s.io/v1beta1` is, with its hash. */
  v3Urls(): ReadonlyMap<string, string>;
  /** Whole OpenAPI 2 documents, of which what lies below the prefix counts. */
  v2Documents(): readonly { readonly prefix: string; readonly document: JsonObject }[];
}

export const noRemoteOpenApi: RemoteOpenApi = { generation: 0, v3Urls: () => new Map(), v2Documents: () => [] };

/** The document with the paths of others and the definitions that these need; of two different ones of a name the later gets another name. */
export function mergeOpenApiV2(document: JsonObject, remote: RemoteOpenApi): JsonObject {
  const paths: JsonObject = { ...objectAt(document, 'paths') };
  const definitions: JsonObject = { ...objectAt(document, 'definitions') };
  for (const { prefix, document: other } of remote.v2Documents()) {
    const added = Object.entries(objectAt(other, 'paths') ?? {}).filter(([path]) => `${path}/`.startsWith(prefix));
    const theirs = objectAt(other, 'definitions') ?? {};
    const renamed = new Map<string, string>();
    const needed = reachable(added, theirs);
    for (const name of needed) renamed.set(name, freeName(name, theirs[name], definitions));
    for (const name of needed) {
      definitions[renamed.get(name) ?? name] ??= rename(theirs[name] ?? {}, renamed);
    }
    for (const [path, operations] of added) paths[path] = rename(operations, renamed);
  }
  return { ...document, paths, definitions };
}

const referencePrefix = '#/definitions/';

function reachable(values: unknown, definitions: JsonObject): Set<string> {
  const found = new Set<string>();
  const open: unknown[] = [values];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (Array.isArray(value)) open.push(...value.filter((item) => typeof item === 'object' && item !== null));
    else if (isJsonObject(value)) {
      const { $ref } = value;
      if (typeof $ref === 'string' && $ref.startsWith(referencePrefix)) {
        const name = $ref.slice(referencePrefix.length);
        if (!found.has(name) && Object.hasOwn(definitions, name)) {
          found.add(name);
          open.push(definitions[name]);
        }
      }
      open.push(...Object.values(value).filter((item) => typeof item === 'object' && item !== null));
    }
  }
  return found;
}

/** `x`, or `x_v2`, `x_v3` … where that name already means something else. What describes the same is shared. */
function freeName(name: string, definition: JsonValue | undefined, definitions: JsonObject): string {
  const text = JSON.stringify(definition);
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}_v${number}`;
    const taken = definitions[candidate];
    // The built-in kinds of metadata are the same everywhere, however a server describes them.
    if (taken === undefined || name.startsWith('io.k8s.apimachinery.') || JSON.stringify(taken) === text)
      return candidate;
  }
}

function rename(value: JsonValue, renamed: ReadonlyMap<string, string>): JsonValue {
  if (Array.isArray(value)) return value.map((item) => rename(item, renamed));
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).map(([key, item]): [string, JsonValue] => {
    if (key !== '$ref' || typeof item !== 'string' || !item.startsWith(referencePrefix))
      return [key, rename(item, renamed)];
    const name = item.slice(referencePrefix.length);
    return [key, referencePrefix + (renamed.get(name) ?? name)];
  });
  return Object.fromEntries(entries);
}
