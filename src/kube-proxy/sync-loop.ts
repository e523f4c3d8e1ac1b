import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { ChangedServices, Proxier } from './proxier.ts';
import type { ProxyState } from './proxy-state.ts';

export interface SyncLoopOptions {
  readonly proxier: Proxier;
  readonly state: ProxyState;
  readonly clock: Clock;
  readonly log: Logger;
  readonly minSyncIntervalMs: number;
  readonly syncIntervalMs: number;
  readonly fullSyncIntervalMs: number;
  /** Called after each attempt. */
  readonly onSync: (outcome: SyncOutcome) => Promise<void>;
}

export interface SyncOutcome {
  readonly changed: ChangedServices;
  /** Between the first change that was waiting and its being in force. */
  readonly waitedMs: number;
  readonly durationMs: number;
  readonly error?: unknown;
}

const firstRetryMs = 500;

/**
 * Collects changes and has them written, one sync at a time. The first change waits for `minSyncIntervalMs` only, so that what changes
 * together is written together; while a sync runs, further changes gather for the next one.
 */
export class SyncLoop {
  readonly #options: SyncLoopOptions;
  #changed: Set<string> | 'all' | 'anew' = 'anew';
  /** Since when something waits to be written. */
  #pendingSinceMs: number | undefined;
  #wake: () => void = () => {};
  #syncing = false;
  #waiters: (() => void)[] = [];
  #failures = 0;
  #intactSinceMs = 0;
  #writtenAnewMs = 0;

  constructor(options: SyncLoopOptions) {
    this.#options = options;
    this.#pendingSinceMs = options.clock.now();
  }

  /** Since when something waits to be written; absent when all is in force. */
  get pendingSinceMs(): number | undefined {
    return this.#pendingSinceMs;
  }

  /** Resolves when nothing waits to be written. */
  settled(): Promise<void> {
    if (this.#pendingSinceMs === undefined && !this.#syncing) return Promise.resolve();
    return new Promise((resolve) => void this.#waiters.push(resolve));
  }

  request(change: string | 'all'): void {
    this.#pendingSinceMs ??= this.#options.clock.now();
    if (change === 'all') this.#changed = this.#changed === 'anew' ? 'anew' : 'all';
    else if (typeof this.#changed !== 'string') this.#changed.add(change);
    this.#wake();
  }

  /** Runs until `signal` aborts; a sync in progress is finished. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, minSyncIntervalMs } = this.#options;
    const wake = () => this.#wake();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        if (this.#pendingSinceMs === undefined) await this.#rest(signal);
        else if (this.#failures > 0) await this.#pause(this.#retryMs(), signal);
        else await clock.delay(minSyncIntervalMs, { signal }).catch(() => {});
        if (!signal.aborted && this.#pendingSinceMs !== undefined) await this.#sync();
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  async #sync(): Promise<void> {
    const { proxier, state, clock, log, onSync } = this.#options;
    const changed: ChangedServices = this.#changed;
    const sinceMs = this.#pendingSinceMs ?? clock.now();
    this.#changed = new Set();
    this.#pendingSinceMs = undefined;
    this.#syncing = true;
    const startedMs = performance.now();
    let failure: { error: unknown } | undefined;
    try {
      await proxier.sync(state, changed);
      this.#failures = 0;
      if (changed === 'anew') this.#writtenAnewMs = clock.now();
      this.#intactSinceMs = clock.now();
    } catch (error) {
      failure = { error };
      this.#failures++;
      this.#changed = 'anew';
      this.#pendingSinceMs = sinceMs;
      log.error('Services could not be synced', { error, failures: this.#failures });
    }
    const times = { waitedMs: clock.now() - sinceMs, durationMs: performance.now() - startedMs };
    await onSync({ changed, ...times, ...failure }).catch((error: unknown) => {
      log.error('What follows a sync failed', { error });
    });
    this.#syncing = false;
    if (this.#pendingSinceMs !== undefined) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  /** Waits for a change; looks now and then whether all is still as it was written. */
  async #rest(signal: AbortSignal): Promise<void> {
    const { proxier, clock, syncIntervalMs, fullSyncIntervalMs } = this.#options;
    await this.#pause(Math.max(0, this.#intactSinceMs + syncIntervalMs - clock.now()), signal);
    if (signal.aborted || this.#pendingSinceMs !== undefined) return;
    const dueAnew = clock.now() - this.#writtenAnewMs >= fullSyncIntervalMs;
    if (dueAnew || !(await proxier.isIntact())) this.#changed = 'anew';
    this.#pendingSinceMs ??= clock.now();
  }

  /** Ends early when something changes. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const controller = new AbortController();
    this.#wake = () => controller.abort();
    if (!signal.aborted) await this.#options.clock.delay(ms, { signal: controller.signal }).catch(() => {});
    this.#wake = () => {};
  }

  #retryMs(): number {
    return Math.min(this.#options.syncIntervalMs, firstRetryMs * 2 ** (this.#failures - 1));
  }
}
