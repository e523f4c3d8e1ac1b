import type { CachedObject } from './cached-object.ts';

/** The objects of one resource in key order, as a whole and by namespace. */
export class ObjectIndex {
  readonly #byId = new Map<string, CachedObject>();
  readonly #namespaces = new Map<string, CachedObject[]>();
  /** In the order of their keys: `a-b/` comes before `a/`. */
  #order: string[] | undefined;

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): CachedObject | undefined {
    return this.#byId.get(id);
  }

  /** Adds the object, or replaces the one with its id. Returns what was there. */
  set(object: CachedObject): CachedObject | undefined {
    const previous = this.#byId.get(object.id);
    this.#byId.set(object.id, object);
    let list = this.#namespaces.get(object.namespace);
    if (!list) {
      list = [];
      this.#namespaces.set(object.namespace, list);
      this.#order = undefined;
    }
    const at = position(list, object.name);
    if (previous) list[at] = object;
    else if (at === list.length) list.push(object);
    else list.splice(at, 0, object);
    return previous;
  }

  delete(id: string): CachedObject | undefined {
    const previous = this.#byId.get(id);
    if (!previous) return undefined;
    this.#byId.delete(id);
    const list = this.#namespaces.get(previous.namespace) ?? [];
    list.splice(position(list, previous.name), 1);
    if (list.length === 0) {
      this.#namespaces.delete(previous.namespace);
      this.#order = undefined;
    }
    return previous;
  }

  clear(): void {
    this.#byId.clear();
    this.#namespaces.clear();
    this.#order = undefined;
  }

  /** In key order; a view that the next change may alter. `undefined` is every namespace. */
  in(namespace: string | undefined): readonly CachedObject[] {
    if (namespace !== undefined) return this.#namespaces.get(namespace) ?? [];
    if (this.#namespaces.size === 1) return this.#namespaces.values().next().value ?? [];
    this.#order ??= [...this.#namespaces.keys()].sort((a, b) => (`${a}/` < `${b}/` ? -1 : 1));
    return this.#order.flatMap((name) => this.#namespaces.get(name) ?? []);
  }
}

/** Where `name` is or belongs. */
function position(list: readonly CachedObject[], name: string): number {
  let low = 0;
  let high = list.length;
  const last = list[high - 1];
  if (last === undefined || last.name < name) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as CachedObject).name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
