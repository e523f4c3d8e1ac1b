import { randomUUID } from 'node:crypto';
import { TaskGroup } from '../../lib/async.ts';
import type { Clock } from '../../lib/clock.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { runAutoCompaction } from '../auto-compaction.ts';
import { LeaseExpiry } from '../lease-expiry.ts';
import type { Entry, Lease, PutOptions, RangeRequest, RangeResult, Store, StoreEvent, WatchRequest } from '../store.ts';
import { StoreError } from '../store.ts';
import { eventKey, eventRevision } from '../store-event.ts';
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
import { EntryCache } from './entry-cache.ts';
import type { HistoryItem, OpenedReply, Row, WriteOperation, WriteResult } from './protocol.ts';
import { StoreMetrics } from './store-metrics.ts';
import { unexpectedReply, WorkerLink } from './worker-link.ts';
import { WriteQueue } from './write-queue.ts';

export interface SqliteStoreOptions {
  /** The database file. Its directory is made when missing, for the owner alone; files beside it have its name and a suffix. */
  readonly path: string;
  readonly log: Logger;
  /** @default the system's clock */
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  /** A larger value is refused with `TooLarge`. @default 3 MiB */
  readonly maxValueBytes?: number;
  /** Entries kept in memory so that events know what they replaced. @default 16 MiB */
  readonly maxCachedBytes?: number;
  /** History beyond this many revisions is compacted early, however young it is, so that the file stays bounded. @default 1_000_000 */
  readonly maxHistoryRevisions?: number;
}

/**
 * A durable store in one SQLite file, which this process alone may use.
 * @throws {StoreError} `Locked` when a process has it open, `Corrupt`, `NewerFormat`; the file is then left as it was
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { link, opened } = await WorkerLink.open({ path: options.path });
  return new SqliteStore(options, link, opened);
}

class SqliteStore implements Store {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #maxValueBytes: number;
  readonly #maxHistoryRevisions: number;
  readonly #link: WorkerLink;
  readonly #cache: EntryCache;
  readonly #hub: WatchHub;
  readonly #writes: WriteQueue;
  readonly #leaseExpiry: LeaseExpiry;
  readonly #metrics: StoreMetrics;
  readonly #tasks: TaskGroup;
  #committed: StoreEvent[] = [];
  #shrinking = false;
  #revision: number;
  #compactedRevision: number;
  #closing: Promise<void> | undefined;

  constructor(options: SqliteStoreOptions, link: WorkerLink, opened: OpenedReply) {
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log;
    this.#maxValueBytes = options.maxValueBytes ?? defaultMaxValueBytes;
    this.#maxHistoryRevisions = options.maxHistoryRevisions ?? 1_000_000;
    this.#cache = new EntryCache({ maxBytes: options.maxCachedBytes ?? 16 * 1024 * 1024 });
    this.#revision = opened.revision;
    this.#compactedRevision = opened.compactedRevision;
    this.#link = link;
    this.#hub = new WatchHub({ revision: opened.revision, readHistory: (range) => this.#readHistory(range) });
    this.#writes = new WriteQueue({
      send: (operations, values) => link.request({ kind: 'write', operations, values }, [values]),
      onCommit: (batch) => this.#metrics.observeCommit(batch),
      onSettled: () => this.#publish(),
    });
    this.#metrics = new StoreMetrics(options.metrics, {
      path: options.path,
      queueLength: () => this.#writes.length,
      watches: () => this.#hub.size,
    });
    this.#tasks = new TaskGroup({ onError: (error) => this.#log.error('Store maintenance failed', { error }) });
    this.#leaseExpiry = new LeaseExpiry({ clock: this.#clock, onExpire: (ids) => this.#expire(ids) });
    for (const [leaseId, expiresAtMs] of opened.leases) this.#leaseExpiry.add(leaseId, expiresAtMs);
    this.#tasks.run((signal) => runAutoCompaction(this, { clock: this.#clock, signal }));
    link.onFailure = (error) => {
      this.#log.error('Store failed', { path: options.path, error });
      this.#hub.end(error);
    };
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  async get(key: string): Promise<{ revision: number; entry: Entry | undefined }> {
    this.#assertUsable();
    this.#metrics.count('get');
    const cached = this.#cache.get(key);
    if (cached) return { revision: this.#revision, entry: cached };
    const reply = await this.#link.request({ kind: 'get', key });
    if (reply.kind !== 'got') throw unexpectedReply(reply);
    const entry = reply.row ? toEntry(reply.row) : undefined;
    return { revision: reply.revision, entry };
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    this.#assertUsable();
    this.#metrics.count('range');
    const { revision = 0 } = request;
    if (revision > this.#revision) throw futureRevisionError(revision, this.#revision);
    while (true) {
      const result = await this.#readRange(request);
      if (result) return result;
      // Compacted while it was read page by page. Whoever asks for the newest state wants a newer one then.
      if (revision !== 0) throw compactedError(revision, this.#compactedRevision);
    }
  }

  async put(key: string, value: Uint8Array, { expected, leaseId }: PutOptions = {}): Promise<number> {
    this.#assertUsable();
    this.#metrics.count('put');
    if (value.length > this.#maxValueBytes) throw tooLargeError(key, value.length, this.#maxValueBytes);
    let known: Entry | undefined;
    return this.#write(value, {
      operation: (valueOffset) => {
        known = this.#cache.get(key);
        return ['put', key, expected ?? -1, known?.modRevision ?? 0, leaseId ?? null, valueOffset, value.length];
      },
      settle: ([outcome, modRevision, row]) => {
        const previous = toPrevious(row, known);
        if (outcome === 'Conflict') throw conflictError(key, expected ?? 0, previous);
        if (outcome === 'LeaseNotFound') throw leaseNotFoundError(leaseId ?? '');
        const createRevision = previous?.createRevision ?? modRevision;
        const version = (previous?.version ?? 0) + 1;
        const entry: Entry = { key, value, createRevision, modRevision, version, leaseId };
        this.#cache.set(entry);
        this.#committed.push({ type: 'put', entry, previous });
        return modRevision;
      },
    });
  }

  async delete(key: string, { expected }: { expected?: number } = {}): Promise<{ revision: number; previous: Entry }> {
    this.#assertUsable();
    this.#metrics.count('delete');
    let known: Entry | undefined;
    return this.#write(undefined, {
      operation: () => {
        known = this.#cache.get(key);
        return ['delete', key, expected ?? -1, known?.modRevision ?? 0];
      },
      settle: ([outcome, revision, row]) => {
        const previous = toPrevious(row, known);
        if (!previous) throw notFoundError(key);
        if (outcome === 'Conflict') throw conflictError(key, expected ?? 0, previous);
        this.#cache.delete(key);
        this.#committed.push({ type: 'delete', key, revision, previous });
        return { revision, previous };
      },
    });
  }

  watch(request: WatchRequest): AsyncIterable<readonly StoreEvent[]> {
    this.#metrics.count('watch');
    return { [Symbol.asyncIterator]: () => this.#hub.watch(request) };
  }

  async compact(revision: number): Promise<void> {
    this.#assertUsable();
    this.#metrics.count('compact');
    if (revision > this.#revision) throw futureRevisionError(revision, this.#revision);
    while (this.#compactedRevision < revision) {
      const reply = await this.#link.request({ kind: 'compact', revision });
      if (reply.kind !== 'compacted') throw unexpectedReply(reply);
      this.#compactedRevision = reply.compactedRevision;
    }
  }

  async grantLease(ttlSeconds: number): Promise<Lease> {
    this.#assertUsable();
    this.#metrics.count('lease');
    const id = randomUUID();
    const expiresAtMs = this.#clock.now() + ttlSeconds * 1000;
    return this.#write(undefined, {
      operation: () => ['lease', id, ttlSeconds, expiresAtMs],
      settle: () => {
        this.#leaseExpiry.add(id, expiresAtMs);
        return { id, ttlSeconds };
      },
    });
  }

  /** Writes that were asked for before are completed. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#leaseExpiry[Symbol.dispose]();
    await this.#writes.drained();
    this.#hub.end(closedError());
    const tasks = this.#tasks[Symbol.asyncDispose]();
    await this.#link.close();
    await tasks;
  }

  /** `settle` makes the result of the answer, or throws the refusal. */
  #write<Result>(
    value: Uint8Array | undefined,
    write: { operation: (valueOffset: number) => WriteOperation; settle: (result: WriteResult) => Result },
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (result: WriteResult) => {
        try {
          resolve(write.settle(result));
        } catch (error) {
          reject(error);
        }
      };
      this.#writes.push({ value, operation: write.operation, settle, reject });
    });
  }

  /** Makes what the worker has just answered visible: the promises of these writes are seen to resolve after it. */
  #publish(): void {
    const events = this.#committed;
    const last = events.at(-1);
    if (!last) return;
    this.#committed = [];
    this.#revision = eventRevision(last);
    this.#hub.publish(events);
    if (this.#revision - this.#compactedRevision > this.#maxHistoryRevisions) this.#shrinkHistory();
  }

  /** Drops the older half of an overlong history, a step between each two groups of writes. */
  #shrinkHistory(): void {
    if (this.#shrinking) return;
    this.#shrinking = true;
    this.#tasks.run(async () => {
      try {
        await this.compact(this.#revision - Math.floor(this.#maxHistoryRevisions / 2));
      } finally {
        this.#shrinking = false;
      }
    });
  }

  /** @returns undefined when the state that was being read has been compacted */
  async #readRange({ start, end, limit, revision = 0 }: RangeRequest): Promise<RangeResult | undefined> {
    const wanted = limit || Number.POSITIVE_INFINITY;
    const entries: Entry[] = [];
    let shown = revision;
    let count: number | undefined;
    let from = start;
    while (true) {
      const left = Math.min(wanted - entries.length, Number.MAX_SAFE_INTEGER);
      const request = {
        start: from,
        end,
        limit: left,
        revision: shown,
        count: limit !== undefined && count === undefined,
      };
      const reply = await this.#link.request({ kind: 'range', ...request });
      if (reply.kind === 'compacted-before') return undefined;
      if (reply.kind !== 'range') throw unexpectedReply(reply);
      for (const row of reply.rows) entries.push(toEntry(row));
      shown = reply.revision;
      count ??= limit === undefined ? undefined : reply.count;
      if (!reply.more || entries.length >= wanted) {
        const total = limit === undefined ? entries.length : (count ?? 0);
        return { revision: Math.max(shown, this.#revision), entries, count: total, more: reply.more };
      }
      from = `${entries.at(-1)?.key}\0`;
    }
  }

  async *#readHistory({ prefix, after, upTo }: HistoryRange): AsyncGenerator<readonly StoreEvent[]> {
    let reached = after;
    do {
      this.#assertUsable();
      const reply = await this.#link.request({ kind: 'history', prefix, after: reached, upTo });
      if (reply.kind === 'compacted-before') throw compactedError(reached, reply.compactedRevision);
      if (reply.kind !== 'history') throw unexpectedReply(reply);
      yield reply.items.map(toEvent);
      reached = reply.upTo;
    } while (reached < upTo);
  }

  #expire(leaseIds: readonly string[]): void {
    for (const leaseId of leaseIds) this.#tasks.run(() => this.#expireLease(leaseId));
  }

  async #expireLease(leaseId: string): Promise<void> {
    while (!this.#closing) {
      const reply = await this.#link.request({ kind: 'expire', leaseId });
      if (reply.kind !== 'expired') throw unexpectedReply(reply);
      for (const event of reply.items.map(toEvent)) {
        this.#cache.delete(eventKey(event));
        this.#committed.push(event);
      }
      this.#publish();
      if (!reply.more) return;
    }
  }

  #assertUsable(): void {
    if (this.#closing) throw closedError();
    if (this.#link.failure) throw this.#link.failure;
  }
}

/** The value comes with the row, or is the one in `known`, which the worker was told we have. */
function toPrevious(row: Row | null, known: Entry | undefined): Entry | undefined {
  if (!row) return undefined;
  return row[5] === null ? known : toEntry(row);
}

function toEntry([key, modRevision, createRevision, version, leaseId, value]: Row): Entry {
  return { key, value: value ?? new Uint8Array(), createRevision, modRevision, version, leaseId: leaseId ?? undefined };
}

function toEvent([deleted, row, previousRow]: HistoryItem): StoreEvent {
  const previous = previousRow ? toEntry(previousRow) : undefined;
  if (row) return { type: 'put', entry: toEntry(row), previous };
  if (!previous) throw new StoreError('Corrupt', `Deletion at revision ${deleted} without what it deleted`);
  return { type: 'delete', key: previous.key, revision: deleted, previous };
}
