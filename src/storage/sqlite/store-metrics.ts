import { statSync } from 'node:fs';
import type { Counter, Histogram, Metrics } from '../../lib/metrics.ts';

export type StoreOperation = 'get' | 'range' | 'put' | 'delete' | 'watch' | 'compact' | 'lease';

/** What a store shows of itself. The plain count costs a write nothing. */
export class StoreMetrics {
  readonly #operations: Counter<string> | undefined;
  readonly #commits: Histogram<string> | undefined;
  readonly #batches: Histogram<string> | undefined;

  constructor(
    metrics: Metrics | undefined,
    options: { path: string; queueLength: () => number; watches: () => number },
  ) {
    if (!metrics) return;
    const { path, queueLength, watches } = options;
    this.#operations = metrics.counter({
      name: 'fairlead_store_operations_total',
      help: 'Calls of the store by operation.',
      labels: ['operation'],
    });
    this.#commits = metrics.histogram({
      name: 'fairlead_store_commit_duration_seconds',
      help: 'Time to apply and sync one group of writes.',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    });
    this.#batches = metrics.histogram({
      name: 'fairlead_store_commit_writes',
      help: 'Writes in one group.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000],
    });
    metrics.gauge({
      name: 'fairlead_store_queued_writes',
      help: 'Writes that are not yet durable.',
      collect: (gauge) => gauge.set(queueLength()),
    });
    metrics.gauge({
      name: 'fairlead_store_watches',
      help: 'Open watches of the store.',
      collect: (gauge) => gauge.set(watches()),
    });
    metrics.gauge({
      name: 'apiserver_storage_size_bytes',
      help: 'Size of the storage database file physically allocated in bytes.',
      labels: ['storage_cluster_id'],
      collect: (gauge) => gauge.set({ storage_cluster_id: 'embedded' }, fileBytes(path) + fileBytes(`${path}-wal`)),
    });
  }

  count(operation: StoreOperation): void {
    this.#operations?.inc({ operation });
  }

  observeCommit({ size, commitMs }: { readonly size: number; readonly commitMs: number }): void {
    this.#commits?.observe(commitMs / 1000);
    this.#batches?.observe(size);
  }
}

function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
