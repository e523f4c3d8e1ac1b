import type { Entry } from './store.ts';
import { StoreError } from './store.ts';

/** Twice what etcd accepts: upstream's largest objects fit, and a body limit of 3 MiB is the API server's own. */
export const defaultMaxValueBytes = 3 * 1024 * 1024;

/** `current` is what is stored now; `expected` what the caller took for it (0: nothing). */
export function conflictError(key: string, expected: number, current: Entry | undefined): StoreError {
  const found = current ? `is at revision ${current.modRevision}` : 'does not exist';
  const wanted = expected === 0 ? 'no such key' : `revision ${expected}`;
  return new StoreError('Conflict', `Key ${key} ${found}, expected ${wanted}`, current && { current });
}

export function notFoundError(key: string): StoreError {
  return new StoreError('NotFound', `Key ${key} does not exist`);
}

export function tooLargeError(key: string, bytes: number, maxBytes: number): StoreError {
  return new StoreError('TooLarge', `Value of ${key} has ${bytes} bytes, the limit is ${maxBytes}`);
}

export function leaseNotFoundError(leaseId: string): StoreError {
  return new StoreError('LeaseNotFound', `Lease ${leaseId} does not exist or has expired`);
}

/** For reading or watching history that is gone. */
export function compactedError(revision: number, compactedRevision: number): StoreError {
  return new StoreError('Compacted', `Revision ${revision} has been compacted; the oldest is ${compactedRevision}`);
}

export function futureRevisionError(revision: number, newest: number): StoreError {
  return new StoreError('FutureRevision', `Revision ${revision} is in the future; the newest is ${newest}`);
}

export function closedError(): StoreError {
  return new StoreError('Closed', 'The store is closed');
}
