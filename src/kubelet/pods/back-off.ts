/** Waiting times that double with each use: 10 s, 20 s, … 300 s. The first use waits for nothing. */
export class BackOff {
  readonly #entries = new Map<string, number>();
  readonly #firstMs: number;
  readonly #maxMs: number;

  constructor({ firstMs = 10_000, maxMs = 300_000 }: { firstMs?: number; maxMs?: number } = {}) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** How long `key` still has to wait, counted from `sinceMs`; 0 when it may go on. */
  remainingMs(key: string, sinceMs: number, nowMs: number): number {
    return Math.max(0, sinceMs + this.currentMs(key) - nowMs);
  }

  /** The present length of the wait, for messages. */
  currentMs(key: string): number {
    return this.#entries.get(key) ?? 0;
  }

  /** Counts one use. */
  next(key: string): void {
    const current = this.#entries.get(key);
    this.#entries.set(key, current === undefined ? this.#firstMs : Math.min(this.#maxMs, current * 2));
  }

  reset(key: string): void {
    this.#entries.delete(key);
  }
}

/** As Go prints it: `10s`, `1m20s`, `5m0s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
