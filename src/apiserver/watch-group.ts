import { concatBytes } from '../lib/bytes.ts';
import type { CachedObject } from './cached-object.ts';
import type { CacheEvent } from './event-window.ts';
import type { SharedBytes } from './exchange.ts';
import { byteLength, LazyShared } from './shared-bytes.ts';
import { matches, type ObjectFilter, type WatchEncoding, type WatchEventType } from './watch-encoding.ts';
import type { Watcher } from './watcher.ts';

/** Initial events go out in pieces of about this size. */
const pieceBytes = 256 * 1024;

/** Watchers that see the same events in the same form: each batch is filtered, encoded and joined once for all of them. */
export class WatchGroup {
  readonly filter: ObjectFilter;
  readonly encoding: WatchEncoding;
  readonly watchers = new Set<Watcher>();

  constructor(filter: ObjectFilter, encoding: WatchEncoding) {
    this.filter = filter;
    this.encoding = encoding;
  }

  /** Sends what of `events` this group sees. `encode` shares the bytes of one event between groups. Returns how many it sees. */
  dispatch(events: readonly CacheEvent[], encode: EncodeEvent): number {
    const seen = this.#visible(events);
    if (seen.length === 0) return 0;
    const plain = lazy(() => join(seen.map(({ type, object }) => encode(this.encoding, type, object))));
    const headed = lazy(() => join(seen.map(({ type, object }, i) => this.encoding.event(type, object, i === 0))));
    for (const watcher of this.watchers) watcher.deliver(watcher.fresh && this.encoding.headed ? headed() : plain());
    return seen.length;
  }

  bookmark(revision: number): void {
    const shared = lazy(() => new LazyShared(this.encoding.bookmark(revision, false)));
    for (const watcher of this.watchers) if (watcher.bookmarks) watcher.deliver(shared());
  }

  /** Synthetic ADDED events for a snapshot; then, where asked for, the bookmark that ends them. */
  *initial(objects: readonly CachedObject[], endRevision: number | undefined): Generator<SharedBytes> {
    const { encoding } = this;
    yield* pieces(
      objects,
      (object, first) => encoding.addedParts?.(object) ?? [encoding.event('ADDED', object, first)],
    );
    if (endRevision !== undefined) yield new LazyShared(this.encoding.bookmark(endRevision, true));
  }

  /** Past events. */
  *replay(events: readonly CacheEvent[]): Generator<SharedBytes> {
    yield* pieces(this.#visible(events), ({ type, object }, first) => [this.encoding.event(type, object, first)]);
  }

  /** What the events are to somebody who sees only what the filter shows. */
  #visible(events: readonly CacheEvent[]): { type: WatchEventType; object: CachedObject }[] {
    const { filter } = this;
    const seen: { type: WatchEventType; object: CachedObject }[] = [];
    for (const { type, object, previous, revision } of events) {
      if (filter.namespace !== undefined && filter.namespace !== object.namespace) continue;
      if (filter.name !== undefined && filter.name !== object.name) continue;
      if (filter.selects === undefined) {
        seen.push({ type, object });
        continue;
      }
      const before = previous !== undefined && matches(filter, previous);
      const after = type !== 'DELETED' && matches(filter, object);
      if (after) seen.push({ type: before ? 'MODIFIED' : 'ADDED', object });
      else if (before) seen.push({ type: 'DELETED', object: previous.deletedAt(revision) });
    }
    return seen;
  }
}

export type EncodeEvent = (encoding: WatchEncoding, type: WatchEventType, object: CachedObject) => Uint8Array;

function* pieces<T>(
  items: readonly T[],
  encode: (item: T, first: boolean) => readonly Uint8Array[],
): Generator<SharedBytes> {
  let parts: Uint8Array[] = [];
  let size = 0;
  let first = true;
  for (const item of items) {
    const encoded = encode(item, first);
    first = false;
    parts.push(...encoded);
    size += byteLength(encoded);
    if (size < pieceBytes) continue;
    yield new LazyShared(...parts);
    parts = [];
    size = 0;
  }
  if (parts.length > 0) yield new LazyShared(...parts);
}

function join(parts: readonly Uint8Array[]): SharedBytes {
  return new LazyShared(parts.length === 1 && parts[0] ? parts[0] : concatBytes(parts));
}

function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
