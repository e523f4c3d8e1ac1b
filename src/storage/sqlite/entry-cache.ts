import type { Entry } from '../store.ts';

/** What an entry costs besides key and value, roughly. */
const entryOverheadBytes = 250;

/** Entries written or read last, within a bound. What is here is the newest state of its key. */
export class EntryCache {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: { maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  set(entry: Entry): void {
    this.delete(entry.key);
    this.#entries.set(entry.key, entry);
    this.#bytes += entryBytes(entry);
    for (const key of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.delete(key);
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#bytes -= entryBytes(entry);
  }
}

function entryBytes({ key, value }: Entry): number {
  return key.length + value.length + entryOverheadBytes;
}
