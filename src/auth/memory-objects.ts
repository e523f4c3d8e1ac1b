import type { KubeObject } from '../api/object.ts';
import type { ObjectChange, ObjectKey, ObjectSource } from './object-source.ts';

/** An `ObjectSource` that is filled by hand: for tests of whatever reads one. */
export class MemoryObjects implements ObjectSource {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Map<string, Set<(change: ObjectChange<KubeObject>) => void>>();

  /** Adds or replaces. */
  set(resource: string, object: KubeObject): void {
    const key = keyOf(object.metadata ?? {});
    const objects = this.#objects.get(resource) ?? new Map<string, KubeObject>();
    this.#objects.set(resource, objects);
    const before = objects.get(key);
    objects.set(key, object);
    this.#notify(resource, { before, after: object });
  }

  delete(resource: string, key: ObjectKey): void {
    const before = this.#objects.get(resource)?.get(keyOf(key));
    if (before === undefined) return;
    this.#objects.get(resource)?.delete(keyOf(key));
    this.#notify(resource, { before, after: undefined });
  }

  get<T extends KubeObject>(resource: string, key: ObjectKey): T | undefined {
    return this.#objects.get(resource)?.get(keyOf(key)) as T | undefined; // the caller names the resource's own type
  }

  list<T extends KubeObject>(resource: string, namespace?: string): readonly T[] {
    const all = [...(this.#objects.get(resource)?.values() ?? [])] as T[]; // likewise
    return namespace === undefined ? all : all.filter(({ metadata }) => metadata?.namespace === namespace);
  }

  subscribe<T extends KubeObject>(resource: string, listener: (change: ObjectChange<T>) => void): Disposable {
    const listeners = this.#listeners.get(resource) ?? new Set();
    this.#listeners.set(resource, listeners);
    const generic = (change: ObjectChange<KubeObject>) => listener(change as ObjectChange<T>); // likewise
    listeners.add(generic);
    return { [Symbol.dispose]: () => void listeners.delete(generic) };
  }

  #notify(resource: string, change: ObjectChange<KubeObject>): void {
    for (const listener of this.#listeners.get(resource) ?? []) listener(change);
  }
}

function keyOf({ namespace = '', name = '' }: { namespace?: string; name?: string }): string {
  return `${namespace}/${name}`;
}
