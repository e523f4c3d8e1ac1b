import type { KubeObject } from '../api/object.ts';
import { scheme } from '../api/scheme.ts';
import type { ObjectChange, ObjectKey, ObjectSource } from '../auth/object-source.ts';
import type { StoreFeed } from './store-feed.ts';
import type { WatchCache } from './watch-cache.ts';

/** The watch caches as authenticators, authorizers and admission see them. */
export class CachedObjects implements ObjectSource {
  readonly #feed: StoreFeed;
  readonly #caches = new Map<string, WatchCache>();

  constructor(feed: StoreFeed) {
    this.#feed = feed;
  }

  get<T extends KubeObject>(resource: string, { namespace, name }: ObjectKey): T | undefined {
    // The caller names the resource and its type together.
    return this.#cache(resource).get(namespace, name)?.object as KubeObject | undefined as T | undefined;
  }

  list<T extends KubeObject>(resource: string, namespace?: string): readonly T[] {
    return this.#cache(resource)
      .list(namespace)
      .map((object) => object.object as KubeObject as T);
  }

  subscribe<T extends KubeObject>(resource: string, listener: (change: ObjectChange<T>) => void): Disposable {
    return this.#cache(resource).subscribe(({ type, object, previous }) => {
      const after = type === 'DELETED' ? undefined : (object.object as KubeObject as T);
      listener({ before: previous?.object as KubeObject | undefined as T | undefined, after });
    });
  }

  #cache(resource: string): WatchCache {
    let cache = this.#caches.get(resource);
    if (!cache) {
      const dot = resource.indexOf('.');
      const group = dot < 0 ? '' : resource.slice(dot + 1);
      cache = this.#feed.cache(scheme.storage(group, dot < 0 ? resource : resource.slice(0, dot)));
      this.#caches.set(resource, cache);
    }
    return cache;
  }
}
