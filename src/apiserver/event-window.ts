import type { CachedObject } from './cached-object.ts';

/** One change as the cache keeps it. On `DELETED`, `object` is the last state with the revision of the deletion. */
export interface CacheEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  readonly object: CachedObject;
  readonly previous: CachedObject | undefined;
}

export interface WindowBounds {
  readonly windowMs: number;
  readonly minEvents: number;
  readonly maxEvents: number;
  /** Of the objects as they were after each event. */
  readonly maxBytes: number;
}

/** The recent events of one resource, oldest first, bounded by age, number and size. */
export class EventWindow {
  readonly #bounds: WindowBounds;
  #events: CacheEvent[] = [];
  #times: number[] = [];
  /** Events before this index have been dropped; they are cut off now and then. */
  #head = 0;
  #bytes = 0;
  #oldestMissing: number;

  /** `startRevision`: everything after it will be added. */
  constructor(startRevision: number, bounds: WindowBounds) {
    this.#oldestMissing = startRevision;
    this.#bounds = bounds;
  }

  /** A watch can start after this revision, not before it. */
  get start(): number {
    return this.#oldestMissing;
  }

  get size(): number {
    return this.#events.length - this.#head;
  }

  add(event: CacheEvent, nowMs: number): void {
    this.#events.push(event);
    this.#times.push(nowMs);
    this.#bytes += event.object.json.length;
    this.trim(nowMs);
  }

  /** Events after `revision`, or `undefined` when some of them are no longer kept. */
  after(revision: number): readonly CacheEvent[] | undefined {
    if (revision < this.#oldestMissing) return undefined;
    let low = this.#head;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle] as CacheEvent).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
  }

  /** Drops what the bounds do not ask for. */
  trim(nowMs: number): void {
    const { windowMs, minEvents, maxEvents, maxBytes } = this.#bounds;
    while (
      this.size > maxEvents ||
      (this.size > minEvents && (this.#bytes > maxBytes || nowMs - (this.#times[this.#head] as number) > windowMs))
    ) {
      const { revision, object } = this.#events[this.#head] as CacheEvent;
      this.#oldestMissing = revision;
      this.#bytes -= object.json.length;
      this.#head++;
    }
    if (this.#head > 1024 || this.#head === this.#events.length) {
      this.#events = this.#events.slice(this.#head);
      this.#times = this.#times.slice(this.#head);
      this.#head = 0;
    }
  }
}
