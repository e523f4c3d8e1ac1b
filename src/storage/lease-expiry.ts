import type { Clock } from '../lib/clock.ts';

/** Timers fire early when asked for more than 2^31 ms; a day is a safe longest sleep. */
const longestSleepMs = 86_400_000;

/** Tells once when each lease is over. One timer serves them all. */
export class LeaseExpiry implements Disposable {
  readonly #clock: Clock;
  readonly #onExpire: (leaseIds: readonly string[]) => void;
  readonly #expiresAtMs = new Map<string, number>();
  #timer: { readonly atMs: number; readonly cancel: AbortController } | undefined;
  #disposed = false;

  constructor(options: { clock: Clock; onExpire: (leaseIds: readonly string[]) => void }) {
    this.#clock = options.clock;
    this.#onExpire = options.onExpire;
  }

  add(leaseId: string, expiresAtMs: number): void {
    this.#expiresAtMs.set(leaseId, expiresAtMs);
    if (!this.#timer || expiresAtMs < this.#timer.atMs) this.#arm();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel.abort();
  }

  #arm(): void {
    this.#timer?.cancel.abort();
    this.#timer = undefined;
    if (this.#disposed || this.#expiresAtMs.size === 0) return;
    let atMs = Number.POSITIVE_INFINITY;
    for (const expiresAtMs of this.#expiresAtMs.values()) atMs = Math.min(atMs, expiresAtMs);
    const cancel = new AbortController();
    this.#timer = { atMs, cancel };
    const sleepMs = Math.min(Math.max(atMs - this.#clock.now(), 0), longestSleepMs);
    this.#clock.delay(sleepMs, { signal: cancel.signal }).then(
      () => this.#fire(cancel.signal),
      () => {}, // re-armed or disposed
    );
  }

  #fire(signal: AbortSignal): void {
    if (signal.aborted) return;
    const now = this.#clock.now();
    const due: string[] = [];
    for (const [leaseId, expiresAtMs] of this.#expiresAtMs) if (expiresAtMs <= now) due.push(leaseId);
    for (const leaseId of due) this.#expiresAtMs.delete(leaseId);
    this.#arm();
    if (due.length > 0) this.#onExpire(due);
  }
}
