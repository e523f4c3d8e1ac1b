import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type {
  HistoryItem,
  HistoryPageRequest,
  RangePageReply,
  RangePageRequest,
  Reply,
  Row,
  WriteOperation,
  WriteResult,
} from './protocol.ts';

/** No page of an answer is larger than this plus one value, so that reads never hold up writes for long. */
const maxPageBytes = 1024 * 1024;
const maxPageRows = 500;
const compactionStep = 250;
const maxRememberedHeads = 20_000;

/** `value` column: absent unless selected. */
type LogRow = [
  key: string,
  revision: number,
  createRevision: number,
  version: number,
  leaseId: string | null,
  value: Uint8Array | null,
  deleted: number,
  previous: number,
];

const columns = (table: string, value = `${table}.value`) =>
  `${table}.key, ${table}.revision, ${table}.create_revision, ${table}.version, ${table}.lease, ${value}, ${table}.deleted, ${table}.previous`;

/** The log of all writes, in the worker: every statement that reads or writes it. */
export class LogTable {
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #newest: StatementSync;
  readonly #at: StatementSync;
  readonly #insert: StatementSync;
  readonly #range: StatementSync;
  readonly #count: StatementSync;
  readonly #history: StatementSync;
  readonly #leaseKeys: StatementSync;
  readonly #insertLease: StatementSync;
  readonly #deleteLease: StatementSync;
  readonly #dropReplaced: StatementSync;
  readonly #dropDeletions: StatementSync;
  readonly #saveState: StatementSync;
  readonly #leases: Map<string, number>;
  /** The newest rows of the keys written last, without their values. Nothing else writes, so they stay true. */
  readonly #heads = new Map<string, LogRow>();
  #revision: number;
  #compactedRevision: number;

  constructor(database: DatabaseSync) {
    const prepare = (sql: string) => {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    };
    this.#begin = prepare('BEGIN IMMEDIATE');
    this.#commit = prepare('COMMIT');
    this.#rollback = prepare('ROLLBACK');
    this.#newest = prepare(`SELECT ${columns('log', 'NULL')} FROM log WHERE key = ? ORDER BY revision DESC LIMIT 1`);
    this.#at = prepare(`SELECT ${columns('log')} FROM log WHERE revision = ?`);
    this.#insert = prepare(
      'INSERT INTO log (key, revision, create_revision, version, lease, value, deleted, previous) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    // max() makes SQLite take `deleted` from the same row: https://www.sqlite.org/lang_select.html#bareagg
    const states =
      'SELECT key, max(revision) AS newest, deleted FROM log INDEXED BY log_by_key WHERE key >= ? AND key < ? AND revision <= ? GROUP BY key';
    this.#range = prepare(
      `SELECT ${columns('log')} FROM (${states} ORDER BY key) AS state CROSS JOIN log ON log.revision = state.newest WHERE state.deleted = 0`,
    );
    this.#count = prepare(`SELECT count(*) FROM (${states}) WHERE deleted = 0`);
    this.#history = prepare(`SELECT ${columns('log')} FROM log WHERE revision > ? AND revision <= ? ORDER BY revision`);
    this.#leaseKeys = prepare('SELECT key, revision FROM log WHERE lease = ? ORDER BY revision');
    this.#insertLease = prepare('INSERT INTO lease VALUES (?, ?, ?)');
    this.#deleteLease = prepare('DELETE FROM lease WHERE id = ?');
    this.#dropReplaced = prepare(
      'DELETE FROM log WHERE revision IN (SELECT previous FROM log WHERE revision > ? AND revision <= ? AND previous > 0)',
    );
    this.#dropDeletions = prepare('DELETE FROM log WHERE revision > ? AND revision <= ? AND deleted = 1');
    this.#saveState = prepare('UPDATE state SET revision = ?, compacted_revision = ?');
    const [revision, compacted] = row<[number, number]>(
      prepare('SELECT revision, compacted_revision FROM state').get(),
    );
    const [last] = row<[number | null]>(prepare('SELECT max(revision) FROM log').get());
    this.#revision = Math.max(revision, last ?? 0);
    this.#compactedRevision = compacted;
    const leases = prepare('SELECT id, expires_at_ms FROM lease').all() as unknown as [string, number][]; // arrays, see prepare
    this.#leases = new Map(leases);
  }

  get opened(): Reply {
    const { revision, compactedRevision } = { revision: this.#revision, compactedRevision: this.#compactedRevision };
    return { kind: 'opened', revision, compactedRevision, leases: [...this.#leases] };
  }

  /** Applies all operations in one durable transaction. Refused ones write nothing and hold up no other. */
  write(operations: readonly WriteOperation[], values: Uint8Array): WriteResult[] {
    return this.#transaction(() => operations.map((operation) => this.#apply(operation, values)));
  }

  get(key: string): Reply {
    const newest = this.#newestRow(key);
    const found = newest && newest[6] === 0 ? this.#rowAt(newest[1]) : null;
    return { kind: 'got', revision: this.#revision, row: found };
  }

  /** One page of a range; `limit` rows at most. */
  range({ start, end, limit, revision, count }: RangePageRequest): RangePageReply | Reply {
    if (revision !== 0 && revision < this.#compactedRevision) return this.#compactedBefore();
    const shown = revision || this.#revision;
    const rows: Row[] = [];
    let bytes = 0;
    let more = false;
    for (const found of this.#range.iterate(start, end, shown)) {
      if (rows.length >= Math.min(limit, maxPageRows) || bytes >= maxPageBytes) {
        more = true;
        break;
      }
      const entry = toRow(row<LogRow>(found));
      bytes += entry[5]?.length ?? 0;
      rows.push(entry);
    }
    const total = count && more ? row<[number]>(this.#count.get(start, end, shown))[0] : rows.length;
    return { kind: 'range', revision: shown, rows, more, count: total };
  }

  /** One page of the writes after a revision; `upTo` of the answer says how far it reaches. */
  history({ prefix, after, upTo }: HistoryPageRequest): Reply {
    if (after < this.#compactedRevision) return this.#compactedBefore();
    const items: HistoryItem[] = [];
    let bytes = 0;
    let seen = 0;
    let reached = upTo;
    for (const found of this.#history.iterate(after, upTo)) {
      const event = row<LogRow>(found);
      if (event[0].startsWith(prefix)) {
        const item = this.#historyItem(event);
        items.push(item);
        bytes += (item[1]?.[5]?.length ?? 0) + (item[2]?.[5]?.length ?? 0);
      }
      if (++seen < maxPageRows * 10 && items.length < maxPageRows && bytes < maxPageBytes) continue;
      reached = event[1];
      break;
    }
    return { kind: 'history', items, upTo: reached };
  }

  /** Compacts a step towards `revision`; the answer says how far it came. */
  compact(revision: number): Reply {
    const from = this.#compactedRevision;
    const target = Math.min(revision, this.#revision, from + compactionStep);
    if (target > from) {
      this.#transaction(() => {
        this.#dropReplaced.run(from, target);
        this.#dropDeletions.run(from, target);
        this.#saveState.run(this.#revision, target);
      });
      this.#compactedRevision = target;
    }
    return { kind: 'compacted', compactedRevision: this.#compactedRevision };
  }

  /** Deletes some of a lease's keys, and the lease with the last of them. */
  expire(leaseId: string): Reply {
    const attached = this.#leaseKeys.all(leaseId) as unknown as [string, number][]; // arrays, see prepare
    const current = attached.filter(([key, revision]) => this.#newestRow(key)?.[1] === revision);
    const due = current.slice(0, maxPageRows);
    const more = due.length < current.length;
    const items = this.#transaction(() => {
      const deleted = due.map(([key]): HistoryItem => {
        const [, revision, previous] = this.#delete(key, -1, 0);
        return [revision, null, previous];
      });
      if (!more) this.#deleteLease.run(leaseId);
      return deleted;
    });
    if (!more) this.#leases.delete(leaseId);
    return { kind: 'expired', items, more };
  }

  #apply(operation: WriteOperation, values: Uint8Array): WriteResult {
    switch (operation[0]) {
      case 'put': {
        const [, key, expected, known, leaseId, offset, length] = operation;
        return this.#put(key, values.subarray(offset, offset + length), { expected, known, leaseId });
      }
      case 'delete':
        return this.#delete(operation[1], operation[2], operation[3]);
      case 'lease': {
        const [, leaseId, ttlSeconds, expiresAtMs] = operation;
        this.#insertLease.run(leaseId, ttlSeconds, expiresAtMs);
        this.#leases.set(leaseId, expiresAtMs);
        return ['done', this.#revision, null];
      }
    }
  }

  #put(
    key: string,
    value: Uint8Array,
    options: { expected: number; known: number; leaseId: string | null },
  ): WriteResult {
    const { expected, known, leaseId } = options;
    const newest = this.#newestRow(key);
    const current = newest && newest[6] === 0 ? newest : undefined;
    if (expected !== -1 && expected !== (current?.[1] ?? 0)) return ['Conflict', 0, this.#previousRow(current, known)];
    if (leaseId !== null && !this.#leases.has(leaseId)) return ['LeaseNotFound', 0, null];
    const previous = this.#previousRow(current, known);
    const revision = ++this.#revision;
    const [created, version] = current ? [current[2], current[3] + 1] : [revision, 1];
    this.#insert.run(key, revision, created, version, leaseId, value, 0, current?.[1] ?? 0);
    this.#remember([key, revision, created, version, leaseId, null, 0, current?.[1] ?? 0]);
    return ['done', revision, previous];
  }

  #delete(key: string, expected: number, known: number): WriteResult {
    const newest = this.#newestRow(key);
    if (!newest || newest[6] === 1) return ['NotFound', 0, null];
    if (expected !== -1 && expected !== newest[1]) return ['Conflict', 0, this.#previousRow(newest, known)];
    const previous = this.#previousRow(newest, known);
    const revision = ++this.#revision;
    this.#insert.run(key, revision, newest[2], newest[3] + 1, null, null, 1, newest[1]);
    this.#remember([key, revision, newest[2], newest[3] + 1, null, null, 1, newest[1]]);
    return ['done', revision, previous];
  }

  #previousRow(current: LogRow | undefined, known: number): Row | null {
    if (!current) return null;
    return current[1] === known ? toRow(current) : this.#rowAt(current[1]);
  }

  #historyItem(event: LogRow): HistoryItem {
    const previous = event[7] > 0 ? this.#rowAt(event[7]) : null;
    return event[6] === 1 ? [event[1], null, previous] : [0, toRow(event), previous];
  }

  #newestRow(key: string): LogRow | undefined {
    return this.#heads.get(key) ?? (this.#newest.get(key) as LogRow | undefined); // the statement's columns
  }

  /** Keys that are written are written again: so most writes need not look their key up. */
  #remember(head: LogRow): void {
    const [key] = head;
    this.#heads.delete(key);
    this.#heads.set(key, head);
    if (this.#heads.size <= maxRememberedHeads) return;
    for (const oldest of this.#heads.keys()) {
      this.#heads.delete(oldest);
      break;
    }
  }

  #rowAt(revision: number): Row | null {
    const found = this.#at.get(revision);
    return found ? toRow(row<LogRow>(found)) : null;
  }

  #compactedBefore(): Reply {
    return { kind: 'compacted-before', compactedRevision: this.#compactedRevision };
  }

  #transaction<Result>(work: () => Result): Result {
    this.#begin.run();
    try {
      const result = work();
      this.#commit.run();
      return result;
    } catch (error) {
      // Counters may be ahead of the file now; that is no matter, because a failed store writes no more.
      try {
        this.#rollback.run();
      } catch {
        // SQLite has rolled back by itself, as it does after some errors
      }
      throw error;
    }
  }
}

function toRow([key, revision, createRevision, version, leaseId, value]: LogRow): Row {
  return [key, revision, createRevision, version, leaseId, value];
}

/** Statements return arrays (see `prepare`), which node's types do not know. */
function row<Columns extends unknown[]>(found: unknown): Columns {
  return found as Columns;
}
