import type { Entry } from '../store.ts';

/** A state of one key, and the states before it that are still remembered. */
export interface Version {
  readonly revision: number;
  /** Absent: the key was deleted at this revision. */
  readonly entry: Entry | undefined;
  older: Version | undefined;
}

export interface KeyRecord {
  readonly key: string;
  head: Version;
}

interface Chunk {
  readonly records: KeyRecord[];
  /** How many of them exist now, so that counting a wide range need not visit every key. */
  live: number;
}

const maxChunkRecords = 512;

/** All remembered keys in order, in chunks, so that an insert moves a few hundred pointers and not all of them. */
export class KeyIndex {
  #chunks: Chunk[] = [];

  insert(record: KeyRecord): void {
    const at = Math.max(this.#chunkOf(record.key), 0);
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push({ records: [record], live: record.head.entry ? 1 : 0 });
      return;
    }
    const { records } = chunk;
    records.splice(lowerBound(records, record.key), 0, record);
    if (record.head.entry) chunk.live++;
    if (records.length <= maxChunkRecords) return;
    // Keys often arrive in order: then full chunks stay behind instead of half-full ones.
    const last = at === this.#chunks.length - 1 && records.at(-1) === record;
    const moved = records.splice(last ? maxChunkRecords : records.length >>> 1);
    const live = moved.reduce((sum, { head }) => sum + (head.entry ? 1 : 0), 0);
    chunk.live -= live;
    this.#chunks.splice(at + 1, 0, { records: moved, live });
  }

  remove(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    if (!chunk) return;
    const place = lowerBound(chunk.records, key);
    if (chunk.records[place]?.key !== key) return;
    chunk.records.splice(place, 1);
    if (chunk.records.length === 0) this.#chunks.splice(at, 1);
  }

  /** Notes that a key which is here exists again (+1) or no longer (-1). */
  addLive(key: string, change: 1 | -1): void {
    const chunk = this.#chunks[this.#chunkOf(key)];
    if (chunk) chunk.live += change;
  }

  /** How many keys in the range exist now. */
  countLive(start: string, end: string): number {
    let count = 0;
    for (let at = Math.max(this.#chunkOf(start), 0); at < this.#chunks.length; at++) {
      const { records, live } = this.#chunks[at] as Chunk; // at is in bounds
      const [first, last] = [records[0], records.at(-1)];
      if (!first || !last || first.key >= end) break;
      if (first.key >= start && last.key < end) count += live;
      else for (const { key, head } of records) if (key >= start && key < end && head.entry) count++;
    }
    return count;
  }

  /** Visits the records of the range in order until `visit` returns false. */
  scan(start: string, end: string, visit: (record: KeyRecord) => boolean): void {
    for (let at = Math.max(this.#chunkOf(start), 0); at < this.#chunks.length; at++) {
      const { records } = this.#chunks[at] as Chunk; // at is in bounds
      for (let place = lowerBound(records, start); place < records.length; place++) {
        const record = records[place] as KeyRecord; // place is in bounds
        if (record.key >= end || !visit(record)) return;
      }
    }
  }

  /** The chunk in which `key` is or would be; -1 when it lies before all. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = this.#chunks[middle]?.records[0];
      if (first && first.key <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** The state of a key at `revision`. Absent: it did not exist, or that state is forgotten. */
export function versionAt(record: KeyRecord, revision: number): Version | undefined {
  let version: Version | undefined = record.head;
  while (version && version.revision > revision) version = version.older;
  return version;
}

function lowerBound(records: readonly KeyRecord[], key: string): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const record = records[middle];
    if (record && record.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
