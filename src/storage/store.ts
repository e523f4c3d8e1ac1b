/**
 * The storage contract, in etcd's terms. There is one counter, the revision: every write adds one and stamps the key with it.
 * Keys are text in byte order; values are opaque bytes. A value belongs to the store once it is put, and an entry's value to all who
 * read it: neither is changed afterwards.
 *
 * Every engine holds:
 * - a write is durable when its promise resolves (the memory engine: visible), and is never lost afterwards;
 * - writes are totally ordered; a watch delivers each of them once, in order, without a gap, or ends with `Compacted`;
 * - a `range` at revision R shows exactly the state after write R;
 * - after the engine failed to sync, every later call rejects with `Failed`: it never retries a sync.
 */
export interface Store extends AsyncDisposable {
  /** The newest revision that is durable. Starts at 1 on an empty store, as in etcd. */
  readonly revision: number;
  /** The oldest revision that `range` and `watch` can still show; 0 when nothing was ever forgotten. */
  readonly compactedRevision: number;

  get(key: string): Promise<{ revision: number; entry: Entry | undefined }>;

  /** Entries with `start` ≤ key < `end` in key order. @throws {StoreError} `Compacted`, `FutureRevision` */
  range(request: RangeRequest): Promise<RangeResult>;

  /**
   * Compare and put: writes only if the key's modification revision is `expected` (0: the key must not exist; `undefined`: whatever it is).
   * @returns the revision of this write
   * @throws {StoreError} `Conflict` with the `current` entry, `LeaseNotFound`, `TooLarge`, `Overrun` when too many writes wait already;
   *   nothing is written then. After `Failed` or a crash the write may have happened or not.
   */
  put(key: string, value: Uint8Array, options?: PutOptions): Promise<number>;

  /**
   * Compare and delete, by the same rule.
   * @returns the revision of the deletion and the entry that was deleted
   * @throws {StoreError} `Conflict` with the `current` entry; `NotFound` when the key does not exist
   */
  delete(key: string, options?: { expected?: number }): Promise<{ revision: number; previous: Entry }>;

  /**
   * Every write to keys with `prefix` after revision `after`, in order, in batches of one or more.
   * It opens when its iteration begins. Ending the loop frees it; so does aborting `signal`, with whose reason the loop rejects.
   * A consumer that falls behind its bound ends with `Overrun`. A revision to come is no error: what is up to it is skipped.
   * @throws {StoreError} `Compacted` when `after` < `compactedRevision`; `Closed`, `Failed` when the store ends
   */
  watch(request: WatchRequest): AsyncIterable<readonly StoreEvent[]>;

  /**
   * Forgets history before `revision`: older ranges and watches fail with `Compacted`. Engines do it by themselves, too: see
   * `auto-compaction.ts`. What is forgotten already stays so: an older revision is no error. @throws {StoreError} `FutureRevision`
   */
  compact(revision: number): Promise<void>;

  /** Grants a lease; keys put with it are deleted, each as a write of its own, once it expires. */
  grantLease(ttlSeconds: number): Promise<Lease>;
}

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** The revision at which the key was created, and the one of its last change. */
  readonly createRevision: number;
  readonly modRevision: number;
  /** Writes since creation, starting at 1. */
  readonly version: number;
  readonly leaseId: string | undefined;
}

export interface RangeRequest {
  readonly start: string;
  /** Exclusive. {@link prefixEnd} gives it for a prefix. */
  readonly end: string;
  /** @default no limit */
  readonly limit?: number;
  /** Show the state at this revision. @default 0: the newest */
  readonly revision?: number;
}

export interface RangeResult {
  /** The store's revision when it answered. */
  readonly revision: number;
  readonly entries: readonly Entry[];
  /** How many keys lie in the whole range at that revision. */
  readonly count: number;
  readonly more: boolean;
}

export interface PutOptions {
  readonly expected?: number;
  readonly leaseId?: string;
}

export interface WatchRequest {
  readonly prefix: string;
  /** The last revision the caller has already seen. */
  readonly after: number;
  readonly signal?: AbortSignal;
  /** Events that may wait for the consumer. @default 100_000 */
  readonly maxQueuedEvents?: number;
}

export type StoreEvent =
  | { readonly type: 'put'; readonly entry: Entry; readonly previous: Entry | undefined }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number; readonly previous: Entry };

export interface Lease {
  readonly id: string;
  readonly ttlSeconds: number;
}

export type StoreErrorReason =
  | 'Conflict'
  | 'NotFound'
  | 'Compacted'
  | 'FutureRevision'
  | 'LeaseNotFound'
  | 'TooLarge'
  | 'Overrun'
  | 'Locked'
  | 'Corrupt'
  | 'NewerFormat'
  | 'Failed'
  | 'Closed';

/** What an engine refuses, told apart by `reason`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly reason: StoreErrorReason;
  /** For `Conflict`: what is stored now, if anything. */
  readonly current: Entry | undefined;

  constructor(reason: StoreErrorReason, message: string, options: ErrorOptions & { current?: Entry } = {}) {
    super(message, options);
    this.reason = reason;
    this.current = options.current;
  }
}

/** The first key after all keys that begin with `prefix`, which is not empty and ends in ASCII. */
export function prefixEnd(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return `${prefix.slice(0, -1)}${String.fromCharCode(last + 1)}`;
}
