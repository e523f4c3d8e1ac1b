import { ApiError } from '../api/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';

/** Look at the key again after this time; nothing: when something changes. */
export interface Requeue {
  readonly afterMs: number;
}

export interface ReconcileLoopOptions {
  readonly name: string;
  /** Brings the world in line with what the key's object asks for. A failure is tried again with a growing delay. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Requeue | undefined>;
  /** Nothing is reconciled before these resolve: the informers it reads. */
  readonly after: readonly { readonly synced: Promise<void> }[];
  /** @default 4 */
  readonly concurrency?: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

const firstBackoffMs = 10;
const maxBackoffMs = 60_000;
/** Longest time a Node timer can wait. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * A work queue with its workers. A key waits at most once and is worked on by one worker at a time; a key added while it is worked on
 * is worked on again. Idle, it costs nothing: timers only exist for keys that are due later.
 */
export class ReconcileLoop implements AsyncDisposable {
  readonly #options: ReconcileLoopOptions;
  readonly #waiting = new Map<string, number>();
  readonly #active = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, { dueMs: number; timer: NodeJS.Timeout }>();
  readonly #failures = new Map<string, number>();
  readonly #controller = new AbortController();
  readonly #queueMetrics: ReturnType<typeof queueMetrics>;
  #open = false;

  constructor(options: ReconcileLoopOptions) {
    this.#options = options;
    this.#queueMetrics = queueMetrics(options.metrics);
    Promise.all(options.after.map(({ synced }) => synced)).then(
      () => {
        this.#open = true;
        this.#work();
      },
      () => {}, // The informers were closed: there will be nothing to do.
    );
  }

  add(key: string): void {
    if (this.#controller.signal.aborted || this.#waiting.has(key)) return;
    this.#cancelTimer(key);
    if (this.#active.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.set(key, this.#options.clock.now());
    this.#queueMetrics.adds.inc({ name: this.#options.name });
    this.#queueMetrics.depth.set({ name: this.#options.name }, this.#waiting.size);
    this.#work();
  }

  /** The soonest of several times counts. */
  addAfter(key: string, ms: number): void {
    if (ms <= 0) this.add(key);
    if (ms <= 0 || this.#controller.signal.aborted) return;
    const dueMs = this.#options.clock.now() + ms;
    const planned = this.#timers.get(key);
    if (planned && planned.dueMs <= dueMs) return;
    this.#cancelTimer(key);
    const timer = setTimeout(() => this.add(key), Math.min(ms, maxTimerMs));
    timer.unref();
    this.#timers.set(key, { dueMs, timer });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort(new Error('The controller was stopped'));
    this.#waiting.clear();
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    await Promise.all(this.#active.values());
  }

  #work(): void {
    if (!this.#open) return;
    const { name, concurrency = 4, clock } = this.#options;
    for (const [key, sinceMs] of this.#waiting) {
      if (this.#active.size >= concurrency) return;
      this.#waiting.delete(key);
      this.#queueMetrics.depth.set({ name }, this.#waiting.size);
      this.#queueMetrics.queueDuration.observe({ name }, (clock.now() - sinceMs) / 1000);
      const running = this.#reconcile(key).finally(() => {
        this.#active.delete(key);
        if (this.#again.delete(key)) this.add(key);
        this.#work();
      });
      this.#active.set(key, running);
    }
  }

  async #reconcile(key: string): Promise<void> {
    const { name, reconcile, clock, log } = this.#options;
    const { signal } = this.#controller;
    const startedMs = clock.now();
    try {
      const requeue = await reconcile(key, signal);
      this.#failures.delete(key);
      if (requeue) this.addAfter(key, requeue.afterMs);
    } catch (error) {
      if (signal.aborted) return;
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      this.#queueMetrics.retries.inc({ name });
      // A lost race shows itself again in the informer; only what lasts is worth a line.
      const expected = error instanceof ApiError && (error.code === 409 || error.code === 404);
      if (!expected || failures > 5) log.warn('Reconcile failed', { key, failures, error });
      this.addAfter(key, Math.min(maxBackoffMs, firstBackoffMs * 2 ** Math.min(failures - 1, 20)));
    } finally {
      this.#queueMetrics.workDuration.observe({ name }, (clock.now() - startedMs) / 1000);
    }
  }

  #cancelTimer(key: string): void {
    const planned = this.#timers.get(key);
    if (planned) clearTimeout(planned.timer);
    this.#timers.delete(key);
  }
}

const durationBuckets = [1e-4, 1e-3, 1e-2, 0.1, 1, 10, 60];

/** Upstream's names, from `k8s.io/component-base/metrics/prometheus/workqueue`. */
function queueMetrics(metrics: Metrics) {
  const labels = ['name'] as const;
  return {
    depth: metrics.gauge({ name: 'workqueue_depth', help: 'Current depth of workqueue', labels }),
    adds: metrics.counter({ name: 'workqueue_adds_total', help: 'Total number of adds handled by workqueue', labels }),
    retries: metrics.counter({
      name: 'workqueue_retries_total',
      help: 'Total number of retries handled by workqueue',
      labels,
    }),
    queueDuration: metrics.histogram({
      name: 'workqueue_queue_duration_seconds',
      help: 'How long in seconds an item stays in workqueue before being requested.',
      labels,
      buckets: durationBuckets,
    }),
    workDuration: metrics.histogram({
      name: 'workqueue_work_duration_seconds',
      help: 'How long in seconds processing an item from workqueue takes.',
      labels,
      buckets: durationBuckets,
    }),
  };
}
