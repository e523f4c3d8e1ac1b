import { ApiError } from '../api/errors.ts';
import type { ResourceInfo } from '../api/resource-info.ts';
import { TaskGroup } from '../lib/async.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { type Entry, prefixEnd, type Store, StoreError, type StoreEvent } from '../storage/store.ts';
import type { WindowBounds } from './event-window.ts';
import { WatchCache } from './watch-cache.ts';

export interface StoreFeedOptions {
  readonly store: Store;
  /** In their storage versions. */
  readonly resources: readonly ResourceInfo[];
  readonly bounds: WindowBounds;
  readonly bookmarkIntervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Every key lies below: so the revision of the feed is the revision of the store. */
const root = '/';
const registry = '/registry/';
/** Between a failure and another start: what failed once may fail again. */
const restartDelayMs = 100;
/** How long a read waits for a revision that the cache has not seen. */
const maxWaitMs = 3000;

/** Fills all watch caches from one range and one watch of the whole store, so that they are all at one revision. */
export class StoreFeed implements AsyncDisposable {
  readonly #options: StoreFeedOptions;
  readonly #caches = new Map<string, WatchCache>();
  readonly #tasks: TaskGroup;
  readonly #waiters = new Set<{ revision: number; resolve: () => void }>();
  #revision = 0;
  #healthy = false;

  /** Resolves when the caches show the store's newest state. */
  static async open(options: StoreFeedOptions): Promise<StoreFeed> {
    const feed = new StoreFeed(options);
    await feed.#load();
    feed.#tasks.run((signal) => feed.#follow(signal));
    feed.#tasks.run((signal) => feed.#tick(signal));
    return feed;
  }

  private constructor(options: StoreFeedOptions) {
    this.#options = options;
    this.#tasks = new TaskGroup({ onError: (error) => options.log.error('Watch cache failed', { error }) });
    for (const resource of options.resources) {
      this.#caches.set(resource.storagePrefix, new WatchCache(resource, options.bounds));
    }
  }

  get caches(): Iterable<WatchCache> {
    return this.#caches.values();
  }

  /** The newest revision that all caches show. */
  get revision(): number {
    return this.#revision;
  }

  /** Whether the caches follow the store. */
  get healthy(): boolean {
    return this.#healthy;
  }

  /** @throws Error for a resource that is not stored */
  cache(resource: ResourceInfo): WatchCache {
    const cache = this.#caches.get(resource.storagePrefix);
    if (!cache) throw new Error(`Resource ${resource.resource} in group "${resource.group}" is not stored`);
    return cache;
  }

  /** Waits until the caches show this revision; at once where they do. @throws {ApiError} `Timeout` after 3 s */
  reach(revision: number): Promise<void> | undefined {
    if (this.#revision >= revision) return undefined;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(tooLarge(revision, this.#revision));
      }, maxWaitMs);
      const waiter = {
        revision,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** Waits until the caches show all that is written by now. */
  reachNewest(): Promise<void> | undefined {
    return this.reach(this.#options.store.revision);
  }

  endWatches(): void {
    for (const cache of this.#caches.values()) cache.endWatches();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endWatches();
    await this.#tasks[Symbol.asyncDispose]();
    this.#healthy = false;
  }

  async #load(): Promise<void> {
    const { revision, entries } = await this.#options.store.range({ start: registry, end: prefixEnd(registry) });
    const byCache = new Map<WatchCache, Entry[]>();
    for (const entry of entries) {
      const cache = this.#cacheOf(entry.key);
      if (!cache) continue;
      const list = byCache.get(cache) ?? [];
      byCache.set(cache, list);
      list.push(entry);
    }
    for (const cache of this.#caches.values()) cache.load(byCache.get(cache) ?? [], revision);
    this.#healthy = true;
    this.#reached(revision);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const watch = this.#options.store.watch({ prefix: root, after: this.#revision, signal });
        for await (const events of watch) this.#apply(events);
      } catch (error) {
        if (signal.aborted) return;
        this.#healthy = false;
        if (error instanceof StoreError && (error.reason === 'Failed' || error.reason === 'Closed')) throw error;
        this.#options.log.warn('Watch cache lost the store and starts again', { error });
        await this.#options.clock.delay(restartDelayMs, { signal });
        await this.#load();
      }
    }
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const { clock, bookmarkIntervalMs } = this.#options;
    while (!signal.aborted) {
      await clock.delay(bookmarkIntervalMs, { signal });
      for (const cache of this.#caches.values()) cache.tick(clock.now());
    }
  }

  #apply(events: readonly StoreEvent[]): void {
    const now = this.#options.clock.now();
    let at = 0;
    while (at < events.length) {
      const cache = this.#cacheOf(keyOf(events[at] as StoreEvent));
      let end = at + 1;
      while (end < events.length && this.#cacheOf(keyOf(events[end] as StoreEvent)) === cache) end++;
      cache?.apply(events.slice(at, end), now);
      at = end;
    }
    const last = events.at(-1);
    if (last) this.#reached(revisionOf(last));
  }

  #reached(revision: number): void {
    this.#revision = revision;
    for (const cache of this.#caches.values()) cache.advance(revision);
    for (const waiter of this.#waiters) {
      if (waiter.revision > revision) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Prefixes have one segment behind `/registry/`, or two: `/registry/services/specs/`. */
  #cacheOf(key: string): WatchCache | undefined {
    const first = key.indexOf('/', registry.length) + 1;
    if (first === 0) return undefined;
    return this.#caches.get(key.slice(0, first)) ?? this.#caches.get(key.slice(0, key.indexOf('/', first) + 1));
  }
}

function keyOf(event: StoreEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}

function revisionOf(event: StoreEvent): number {
  return event.type === 'put' ? event.entry.modRevision : event.revision;
}

function tooLarge(wanted: number, current: number): ApiError {
  return new ApiError('Timeout', `Timeout: Too large resource version: ${wanted}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  });
}
