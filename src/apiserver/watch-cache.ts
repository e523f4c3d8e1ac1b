import type { ResourceInfo } from '../api/resource-info.ts';
import type { Entry, StoreEvent } from '../storage/store.ts';
import { CachedObject } from './cached-object.ts';
import { type CacheEvent, EventWindow, type WindowBounds } from './event-window.ts';
import type { EventSink } from './exchange.ts';
import { ObjectIndex } from './object-index.ts';
import { LazyShared } from './shared-bytes.ts';
import { matches, type ObjectFilter, type WatchEncoding, type WatchEventType } from './watch-encoding.ts';
import { WatchGroup } from './watch-group.ts';
import { Watcher } from './watcher.ts';

/** Where a watch begins. The caller has waited until the cache is as new as was asked for. */
export type WatchStart =
  /** ADDED for everything there is, with a bookmark at the end where asked for; then what happens. */
  | { readonly from: 'snapshot'; readonly endBookmark: boolean }
  /** What happened after this revision. */
  | { readonly from: 'revision'; readonly revision: number }
  /** Only what happens from now on. */
  | { readonly from: 'now' };

export interface WatchOptions {
  readonly filter: ObjectFilter;
  readonly encoding: WatchEncoding;
  readonly start: WatchStart;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
  readonly maxQueueBytes: number;
  /** The watcher was too slow and has been cut off. */
  readonly onOverflow: () => void;
}

/** A watch asked for a revision whose events are gone. */
export interface TooOld {
  readonly oldestRevision: number;
}

/** A bookmark goes out this long before a watch's own end, so that its client can go on from there. */
const lastBookmarkMs = 2000;

/**
 * All objects of one stored resource in memory, as the bytes that are served, with the recent events and everybody who watches.
 * Filled by the {@link StoreFeed}, which is the only one to change it.
 */
export class WatchCache {
  readonly resource: ResourceInfo;
  readonly #index = new ObjectIndex();
  readonly #groups = new Map<string, WatchGroup>();
  readonly #listeners = new Set<(change: CacheEvent) => void>();
  readonly #bounds: WindowBounds;
  #window: EventWindow;
  /** The newest revision of the whole store that this cache has seen. */
  #revision = 0;
  #watchers = 0;
  /** Events handed to watchers so far, one for each watcher that got it. */
  delivered = 0;

  constructor(resource: ResourceInfo, bounds: WindowBounds) {
    this.resource = resource;
    this.#bounds = bounds;
    this.#window = new EventWindow(0, bounds);
  }

  get size(): number {
    return this.#index.size;
  }

  get watcherCount(): number {
    return this.#watchers;
  }

  get(namespace: string, name: string): CachedObject | undefined {
    return this.#index.get(namespace === '' ? name : `${namespace}/${name}`);
  }

  /** In key order; a view, valid until the next turn. */
  list(namespace?: string): readonly CachedObject[] {
    return this.#index.in(namespace);
  }

  /** What `filter` shows, in key order. */
  select(filter: ObjectFilter): readonly CachedObject[] {
    const { namespace, name, selects } = filter;
    if (name !== undefined && (namespace !== undefined || !this.resource.namespaced)) {
      const object = this.get(namespace ?? '', name);
      return object && matches(filter, object) ? [object] : [];
    }
    const objects = this.#index.in(namespace);
    return name === undefined && selects === undefined ? objects : objects.filter((object) => matches(filter, object));
  }

  /** Calls back after each change, in order. */
  subscribe(listener: (change: CacheEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Starts a watch on `sink`, whose answer's head has been sent. */
  watch(sink: EventSink, options: WatchOptions): Watcher | TooOld {
    const { start } = options;
    const past = start.from === 'revision' ? this.#window.after(start.revision) : undefined;
    if (start.from === 'revision' && past === undefined) return { oldestRevision: this.#window.start };

    const key = `${options.encoding.key}\n${options.filter.key}`;
    const group = this.#groups.get(key) ?? new WatchGroup(options.filter, options.encoding);
    this.#groups.set(key, group);
    const timers: NodeJS.Timeout[] = [];
    const watcher: Watcher = new Watcher(sink, {
      bookmarks: options.bookmarks,
      maxQueueBytes: options.maxQueueBytes,
      onOverflow: options.onOverflow,
      onClose: () => {
        for (const timer of timers) clearTimeout(timer);
        this.#watchers--;
        group.watchers.delete(watcher);
        if (group.watchers.size === 0 && this.#groups.get(key) === group) this.#groups.delete(key);
      },
    });
    this.#watchers++;
    group.watchers.add(watcher);

    const last = () => {
      if (watcher.bookmarks) watcher.deliver(new LazyShared(group.encoding.bookmark(this.#revision, false)));
    };
    timers.push(
      setTimeout(last, Math.max(0, options.timeoutMs - lastBookmarkMs)).unref(),
      setTimeout(() => watcher.end(), options.timeoutMs).unref(),
    );
    if (past) watcher.begin(group.replay(past));
    if (start.from === 'snapshot') {
      const objects = [...this.select(options.filter)];
      watcher.begin(group.initial(objects, start.endBookmark ? this.#revision : undefined));
    }
    return watcher;
  }

  /** Replaces everything by this state of the store. Watches end: their clients resume or list again. */
  load(entries: readonly Entry[], revision: number): void {
    this.endWatches();
    this.#index.clear();
    this.#window = new EventWindow(revision, this.#bounds);
    this.#revision = revision;
    for (const entry of entries) this.#index.set(this.#decode(entry));
  }

  /** Takes over what happened, in order, and tells everybody who watches. */
  apply(events: readonly StoreEvent[], nowMs: number): void {
    const changes: CacheEvent[] = [];
    for (const event of events) {
      const change = event.type === 'put' ? this.#put(event.entry) : this.#delete(event.key, event.revision);
      if (!change) continue;
      this.#window.add(change, nowMs);
      changes.push(change);
      for (const listener of this.#listeners) listener(change);
    }
    if (changes.length > 0 && this.#groups.size > 0) this.#dispatch(changes);
    for (const { previous } of changes) previous?.forget();
  }

  /** Everything up to this revision has been applied. */
  advance(revision: number): void {
    this.#revision = revision;
  }

  /** Sends bookmarks to those who want them, and drops old events. */
  tick(nowMs: number): void {
    for (const group of this.#groups.values()) group.bookmark(this.#revision);
    this.#window.trim(nowMs);
  }

  /** Ends all watches properly. */
  endWatches(): void {
    for (const group of this.#groups.values()) for (const watcher of group.watchers) watcher.end();
  }

  #dispatch(changes: readonly CacheEvent[]): void {
    // Two groups with one encoding and different filters share the bytes of an event.
    const encoded = new Map<CachedObject, Map<string, Uint8Array>>();
    const encode = (encoding: WatchEncoding, type: WatchEventType, object: CachedObject): Uint8Array => {
      const forms = encoded.get(object) ?? new Map<string, Uint8Array>();
      encoded.set(object, forms);
      const key = `${type} ${encoding.key}`;
      const bytes = forms.get(key) ?? encoding.event(type, object, false);
      forms.set(key, bytes);
      return bytes;
    };
    for (const group of this.#groups.values()) {
      this.delivered += group.dispatch(changes, encode) * group.watchers.size;
    }
  }

  #put(entry: Entry): CacheEvent {
    const object = this.#decode(entry);
    const previous = this.#index.set(object);
    return { type: previous ? 'MODIFIED' : 'ADDED', revision: entry.modRevision, object, previous };
  }

  #delete(key: string, revision: number): CacheEvent | undefined {
    const previous = this.#index.delete(this.#id(key));
    return previous && { type: 'DELETED', revision, object: previous.deletedAt(revision), previous };
  }

  #decode({ key, value, modRevision, createRevision }: Entry): CachedObject {
    return new CachedObject({ id: this.#id(key), stored: value, revision: modRevision, createRevision });
  }

  #id(key: string): string {
    return key.slice(this.resource.storagePrefix.length);
  }
}
