import type { StoreErrorReason } from '../store.ts';

/**
 * What the main thread and the database worker tell each other. The worker answers every request once, in the order in which
 * they came. Lists of numbers, texts and bytes are flat arrays, because cloning many small objects is what would cost most.
 */
export type Request =
  | { readonly kind: 'write'; readonly operations: readonly WriteOperation[]; readonly values: ArrayBuffer }
  | { readonly kind: 'get'; readonly key: string }
  | RangePageRequest
  | HistoryPageRequest
  | { readonly kind: 'compact'; readonly revision: number }
  | { readonly kind: 'expire'; readonly leaseId: string }
  | { readonly kind: 'close' };

/** `expected` -1: whatever is stored. `known`: the caller has the value stored at that revision and need not be sent it. */
export type WriteOperation =
  | readonly [
      kind: 'put',
      key: string,
      expected: number,
      known: number,
      leaseId: string | null,
      valueOffset: number,
      valueLength: number,
    ]
  | readonly [kind: 'delete', key: string, expected: number, known: number]
  | readonly [kind: 'lease', leaseId: string, ttlSeconds: number, expiresAtMs: number];

export interface RangePageRequest {
  readonly kind: 'range';
  readonly start: string;
  readonly end: string;
  readonly limit: number;
  /** 0: the newest. */
  readonly revision: number;
  readonly count: boolean;
}

export interface HistoryPageRequest {
  readonly kind: 'history';
  readonly prefix: string;
  readonly after: number;
  readonly upTo: number;
}

/** What is stored under a key. `value` is null where the receiver said that it has it. */
export type Row = readonly [
  key: string,
  revision: number,
  createRevision: number,
  version: number,
  leaseId: string | null,
  value: Uint8Array | null,
];

/** `previous` of a refused operation is what is stored instead. */
export type WriteResult = readonly [outcome: WriteOutcome, revision: number, previous: Row | null];

export type WriteOutcome = 'done' | 'Conflict' | 'NotFound' | 'LeaseNotFound';

/** `deleted` is the revision of a deletion of `previous`; otherwise `row` was put. */
export type HistoryItem = readonly [deleted: number, row: Row | null, previous: Row | null];

export type Reply =
  | OpenedReply
  | { readonly kind: 'written'; readonly results: readonly WriteResult[]; readonly commitMs: number }
  | { readonly kind: 'got'; readonly revision: number; readonly row: Row | null }
  | RangePageReply
  | { readonly kind: 'compacted-before'; readonly compactedRevision: number }
  | { readonly kind: 'history'; readonly items: readonly HistoryItem[]; readonly upTo: number }
  | { readonly kind: 'compacted'; readonly compactedRevision: number }
  | { readonly kind: 'expired'; readonly items: readonly HistoryItem[]; readonly more: boolean }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly reason: StoreErrorReason; readonly message: string };

export interface OpenedReply {
  readonly kind: 'opened';
  readonly revision: number;
  readonly compactedRevision: number;
  readonly leases: readonly (readonly [leaseId: string, expiresAtMs: number])[];
}

export interface RangePageReply {
  readonly kind: 'range';
  readonly revision: number;
  readonly rows: readonly Row[];
  /** Whether the page ended before the range and the limit did. */
  readonly more: boolean;
  readonly count: number;
}

/** What the worker is started with. */
export interface WorkerOptions {
  readonly path: string;
}
