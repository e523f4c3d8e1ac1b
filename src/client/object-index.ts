import type { KubeObject } from '../api/object.ts';

/** `namespace/name`, or `name` for what is cluster-scoped. */
export function keyOf({ metadata }: KubeObject): string {
  return objectKey(metadata?.namespace, metadata?.name ?? '');
}

export function objectKey(namespace: string | undefined, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

/** The reverse of {@link objectKey}. */
export function splitKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The values under which an object is found in one index. */
export type Indexer<T> = (object: T) => readonly string[];

/** Objects by key, with further indexes over the same objects. */
export class ObjectIndex<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexers = new Map<string, Indexer<T>>();
  readonly #indexes = new Map<string, Map<string, Set<string>>>();

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): MapIterator<T> {
    return this.#objects.values();
  }

  keys(): MapIterator<string> {
    return this.#objects.keys();
  }

  /** Adds an index over present and future objects. The same name keeps the first indexer. */
  addIndex(name: string, indexer: Indexer<T>): void {
    if (this.#indexers.has(name)) return;
    this.#indexers.set(name, indexer);
    this.#indexes.set(name, new Map());
    for (const [key, object] of this.#objects) this.#link(name, key, indexer(object));
  }

  /** @throws {TypeError} if there is no such index */
  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (!index) throw new TypeError(`No index "${name}"`);
    const found: T[] = [];
    for (const key of index.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object) found.push(object);
    }
    return found;
  }

  /** Puts or replaces, and gives what was there before. */
  set(key: string, object: T): T | undefined {
    const previous = this.delete(key);
    this.#objects.set(key, object);
    for (const [name, indexer] of this.#indexers) this.#link(name, key, indexer(object));
    return previous;
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined) return undefined;
    for (const [name, indexer] of this.#indexers) this.#unlink(name, key, indexer(previous));
    this.#objects.delete(key);
    return previous;
  }

  #link(name: string, key: string, values: readonly string[]): void {
    const index = this.#indexes.get(name);
    for (const value of values) {
      const keys = index?.get(value);
      if (keys) keys.add(key);
      else index?.set(value, new Set([key]));
    }
  }

  #unlink(name: string, key: string, values: readonly string[]): void {
    const index = this.#indexes.get(name);
    for (const value of values) {
      const keys = index?.get(value);
      keys?.delete(key);
      if (keys?.size === 0) index?.delete(value);
    }
  }
}
