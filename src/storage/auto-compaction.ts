import type { Clock } from '../lib/clock.ts';
import type { Store } from './store.ts';

export interface AutoCompactionOptions {
  readonly clock: Clock;
  /** How long history is kept at least, and how often older history is dropped. @default 300_000 */
  readonly intervalMs?: number;
  /** How many revisions are kept however old they are. @default 1000 */
  readonly minRevisions?: number;
  /** Ends the loop. */
  readonly signal: AbortSignal;
}

/**
 * Every interval, forgets the history that was already there one interval before. So a reader that pages slowly has between one
 * and two intervals, as with upstream's API server on etcd. Resolves when `signal` aborts.
 */
export async function runAutoCompaction(
  store: Pick<Store, 'revision' | 'compactedRevision' | 'compact'>,
  { clock, intervalMs = 300_000, minRevisions = 1000, signal }: AutoCompactionOptions,
): Promise<void> {
  let seen = store.revision;
  while (!signal.aborted) {
    await clock.delay(intervalMs, { signal });
    const target = Math.min(seen, store.revision - minRevisions);
    seen = store.revision;
    if (target > store.compactedRevision) await store.compact(target);
  }
}
