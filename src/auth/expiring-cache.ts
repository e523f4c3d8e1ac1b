import { type Clock, systemClock } from '../lib/clock.ts';

export interface ExpiringCacheOptions {
  /** When full, the entry that was set first goes. */
  readonly maxEntries: number;
  readonly clock?: Clock;
}

/** A map with a bound whose entries end at a time of their own. Expired ones go when they are met or pushed out. */
export class ExpiringCache<V> {
  readonly #entries = new Map<string, { value: V; expiresAtMs: number }>();
  readonly #maxEntries: number;
  readonly #clock: Clock;

  constructor({ maxEntries, clock = systemClock }: ExpiringCacheOptions) {
    this.#maxEntries = maxEntries;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (this.#clock.now() < entry.expiresAtMs) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: V, expiresAtMs: number): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.#maxEntries) {
      const [first] = this.#entries.keys();
      if (first !== undefined) this.#entries.delete(first);
    }
    this.#entries.set(key, { value, expiresAtMs });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}
