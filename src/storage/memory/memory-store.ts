import { TaskGroup } from '../../lib/async.ts';
import type { Clock } from '../../lib/clock.ts';
import { systemClock } from '../../lib/clock.ts';
import { runAutoCompaction } from '../auto-compaction.ts';
import { LeaseExpiry } from '../lease-expiry.ts';
import type { Entry, Lease, PutOptions, RangeRequest, RangeResult, Store, StoreEvent, WatchRequest } from '../store.ts';
import { StoreError } from '../store.ts';
import { eventKey } from '../store-event.ts';
import {
  closedError,
  compactedError,
  conflictError,
  defaultMaxValueBytes,
  futureRevisionError,
  leaseNotFoundError,
  notFoundError,
  tooLargeError,
} from '../store-refusal.ts';
import type { HistoryRange } from '../watch-hub.ts';
import { WatchHub } from '../watch-hub.ts';
import { EventLog } from './event-log.ts';
import type { KeyRecord, Version } from './key-index.ts';
import { KeyIndex, versionAt } from './key-index.ts';

export interface MemoryStoreOptions {
  /** @default the system's clock */
  readonly clock?: Clock;
  /** A larger value is refused with `TooLarge`. @default 3 MiB */
  readonly maxValueBytes?: number;
  /** History beyond this is compacted early, however young it is. @default 128 MiB */
  readonly maxHistoryBytes?: number;
}

/** A store that lives and dies with the process. Values are kept as they are given, not copied: they must not change afterwards. */
export async function openMemoryStore(options: MemoryStoreOptions = {}): Promise<Store> {
  return new MemoryStore(options);
}

class MemoryStore implements Store {
  readonly #clock: Clock;
  readonly #maxValueBytes: number;
  readonly #maxHistoryBytes: number;
  readonly #records = new Map<string, KeyRecord>();
  readonly #index = new KeyIndex();
  readonly #log = new EventLog();
  readonly #hub: WatchHub;
  readonly #leases = new Map<string, Set<string>>();
  readonly #leaseExpiry: LeaseExpiry;
  readonly #tasks: TaskGroup;
  #revision = 1;
  #compactedRevision = 0;
  #nextLeaseId = 1;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#maxValueBytes = options.maxValueBytes ?? defaultMaxValueBytes;
    this.#maxHistoryBytes = options.maxHistoryBytes ?? 128 * 1024 * 1024;
    this.#hub = new WatchHub({ revision: this.#revision, readHistory: (range) => this.#readHistory(range) });
    this.#leaseExpiry = new LeaseExpiry({ clock: this.#clock, onExpire: (ids) => this.#expire(ids) });
    this.#tasks = new TaskGroup({ onError: (error) => this.#hub.end(new StoreError('Failed', String(error))) });
    this.#tasks.run((signal) => runAutoCompaction(this, { clock: this.#clock, signal }));
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  async get(key: string): Promise<{ revision: number; entry: Entry | undefined }> {
    this.#assertOpen();
    return { revision: this.#revision, entry: this.#records.get(key)?.head.entry };
  }

  async range({ start, end, limit, revision = 0 }: RangeRequest): Promise<RangeResult> {
    this.#assertOpen();
    if (revision > this.#revision) throw futureRevisionError(revision, this.#revision);
    if (revision !== 0 && revision < this.#compactedRevision) throw compactedError(revision, this.#compactedRevision);
    const newest = revision === 0 || revision === this.#revision;
    const wanted = limit || Number.POSITIVE_INFINITY;
    const entries: Entry[] = [];
    let count = 0;
    this.#index.scan(start, end, (record) => {
      const entry = newest ? record.head.entry : versionAt(record, revision)?.entry;
      if (!entry) return true;
      count++;
      if (count <= wanted) entries.push(entry);
      return !newest || count <= wanted;
    });
    if (count > wanted && newest) count = this.#index.countLive(start, end);
    return { revision: this.#revision, entries, count, more: count > entries.length };
  }

  async put(key: string, value: Uint8Array, { expected, leaseId }: PutOptions = {}): Promise<number> {
    this.#assertOpen();
    if (value.length > this.#maxValueBytes) throw tooLargeError(key, value.length, this.#maxValueBytes);
    const record = this.#records.get(key);
    const previous = record?.head.entry;
    if (expected !== undefined && expected !== (previous?.modRevision ?? 0))
      throw conflictError(key, expected, previous);
    if (leaseId !== undefined) this.#attach(key, leaseId);
    if (previous?.leaseId !== undefined && previous.leaseId !== leaseId) this.#detach(key, previous.leaseId);
    const revision = ++this.#revision;
    const entry: Entry = {
      key,
      value,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
      leaseId,
    };
    this.#append(record, key, entry);
    if (record && !previous) this.#index.addLive(key, 1);
    this.#publish({ type: 'put', entry, previous });
    return revision;
  }

  async delete(key: string, { expected }: { expected?: number } = {}): Promise<{ revision: number; previous: Entry }> {
    this.#assertOpen();
    const record = this.#records.get(key);
    const previous = record?.head.entry;
    if (!record || !previous) throw notFoundError(key);
    if (expected !== undefined && expected !== previous.modRevision) throw conflictError(key, expected, previous);
    return { revision: this.#remove(record, previous), previous };
  }

  watch(request: WatchRequest): AsyncIterable<readonly StoreEvent[]> {
    return { [Symbol.asyncIterator]: () => this.#hub.watch(request) };
  }

  async compact(revision: number): Promise<void> {
    this.#assertOpen();
    if (revision > this.#revision) throw futureRevisionError(revision, this.#revision);
    this.#compact(revision);
  }

  async grantLease(ttlSeconds: number): Promise<Lease> {
    this.#assertOpen();
    const id = String(this.#nextLeaseId++);
    this.#leases.set(id, new Set());
    this.#leaseExpiry.add(id, this.#clock.now() + ttlSeconds * 1000);
    return { id, ttlSeconds };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#leaseExpiry[Symbol.dispose]();
    this.#hub.end(closedError());
    await this.#tasks[Symbol.asyncDispose]();
  }

  #append(record: KeyRecord | undefined, key: string, entry: Entry | undefined): void {
    const version: Version = { revision: this.#revision, entry, older: record?.head };
    if (record) {
      record.head = version;
      return;
    }
    const created = { key, head: version };
    this.#records.set(key, created);
    this.#index.insert(created);
  }

  #remove(record: KeyRecord, previous: Entry): number {
    const { key } = record;
    if (previous.leaseId !== undefined) this.#detach(key, previous.leaseId);
    const revision = ++this.#revision;
    this.#append(record, key, undefined);
    this.#index.addLive(key, -1);
    this.#publish({ type: 'delete', key, revision, previous });
    return revision;
  }

  #publish(event: StoreEvent): void {
    this.#log.append(event);
    if (this.#log.bytes > this.#maxHistoryBytes) this.#compact(this.#log.revisionToShrinkTo(this.#maxHistoryBytes / 2));
    this.#hub.publish([event]);
  }

  #compact(revision: number): void {
    if (revision <= this.#compactedRevision) return;
    this.#compactedRevision = revision;
    for (const event of this.#log.dropUpTo(revision)) {
      const record = this.#records.get(eventKey(event));
      const oldest = record && versionAt(record, revision);
      if (!oldest) continue;
      oldest.older = undefined;
      if (oldest !== record.head || oldest.entry) continue;
      this.#records.delete(record.key);
      this.#index.remove(record.key);
    }
  }

  /** In pieces, because whoever reads them may be slow and compaction goes on. */
  async *#readHistory({ prefix, after, upTo }: HistoryRange): AsyncGenerator<readonly StoreEvent[]> {
    for (let from = after; from < upTo; from += 10_000) {
      if (from < this.#compactedRevision) throw compactedError(from, this.#compactedRevision);
      const events = this.#log.slice(from, Math.min(from + 10_000, upTo));
      yield events.filter((event) => eventKey(event).startsWith(prefix));
    }
  }

  #attach(key: string, leaseId: string): void {
    const keys = this.#leases.get(leaseId);
    if (!keys) throw leaseNotFoundError(leaseId);
    keys.add(key);
  }

  #detach(key: string, leaseId: string): void {
    this.#leases.get(leaseId)?.delete(key);
  }

  #expire(leaseIds: readonly string[]): void {
    for (const leaseId of leaseIds) {
      for (const key of [...(this.#leases.get(leaseId) ?? [])]) {
        const record = this.#records.get(key);
        if (record?.head.entry) this.#remove(record, record.head.entry);
      }
      this.#leases.delete(leaseId);
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError();
  }
}
