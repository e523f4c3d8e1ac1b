import data from './types.json' with { type: 'json' };

/** One field, list element or map value of a model. Exactly one of `type`, `list`, `map` and `ref` says what it holds. */
export interface Field {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'object';
  readonly format?: 'int32' | 'int64' | 'double' | 'byte';
  readonly list?: Field;
  readonly map?: Field;
  /** The name of another model. */
  readonly ref?: string;
  /** OpenAPI's default: `{}` marks a Go struct that is no pointer; `""`, `0` and `false` its zero; anything else is a real default. */
  readonly default?: unknown;
  readonly enum?: readonly string[];
  /** Field number and type in `generated.proto`; absent in embedded messages. */
  readonly proto?: readonly [number, string];
  /** `merge`, `retainKeys` or both joined by a comma. */
  readonly patchStrategy?: string;
  readonly patchMergeKey?: string;
  readonly listType?: 'map' | 'set' | 'atomic';
  readonly listMapKeys?: readonly string[];
  readonly mapType?: string;
}

/** A Go type of the API. Without `fields` it is a scalar with its own form, or free-form JSON. */
export interface Model {
  readonly gvk?: readonly (readonly [group: string, version: string, kind: string])[];
  readonly required?: readonly string[];
  readonly mapType?: string;
  readonly fields?: Readonly<Record<string, Field>>;
}

/** An entry of discovery as recorded; subresources are `pods/status`. */
export interface DiscoveredResource {
  readonly name: string;
  readonly singularName?: string;
  readonly namespaced: boolean;
  readonly groupVersion: string;
  /** Of what the resource takes and answers, where that is not the group-version it is served in. */
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly storageVersionHash?: string;
}

interface TypesFile {
  readonly resources: readonly DiscoveredResource[];
  readonly models: Readonly<Record<string, Model>>;
  readonly protobuf: {
    readonly pointerScalars: Readonly<Record<string, readonly string[]>>;
    readonly zeroKept: Readonly<Record<string, readonly string[]>>;
    readonly renamed: Readonly<Record<string, readonly (readonly [proto: string, json: string])[]>>;
    readonly inlineMessages: Readonly<Record<string, readonly (readonly [number: number, name: string])[]>>;
  };
  readonly protoOnly: Readonly<Record<string, Readonly<Record<string, readonly [number, string]>>>>;
}

/** `types.json` with its shape; the compiler's inferred type of the file is far too large to be of use. */
export const types: TypesFile = data as unknown as TypesFile;

/** The model of this name, `undefined` for a name `types.json` does not know. */
export function findModel(name: string): Model | undefined {
  return Object.hasOwn(types.models, name) ? types.models[name] : undefined;
}

const pointers = new Map<string, ReadonlySet<string>>();
const kept = new Map<string, ReadonlySet<string>>();
const none: ReadonlySet<string> = new Set();

/** Fields of a model that are Go pointers to scalars: their zero is a value (`replicas: 0`), not an absence. */
export function pointerScalars(model: string): ReadonlySet<string> {
  return lazySet(pointers, types.protobuf.pointerScalars, model);
}

/** Fields of a model that Go writes even when they are zero (no `omitempty`). */
export function zeroKept(model: string): ReadonlySet<string> {
  return lazySet(kept, types.protobuf.zeroKept, model);
}

function lazySet(
  cache: Map<string, ReadonlySet<string>>,
  source: Readonly<Record<string, readonly string[]>>,
  model: string,
): ReadonlySet<string> {
  let found = cache.get(model);
  if (found === undefined) {
    const names = source[model];
    found = names === undefined ? none : new Set(names);
    cache.set(model, found);
  }
  return found;
}
