import { setTimeout as wait } from 'node:timers/promises';

/** The source of time, so that tests can turn it by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms`. The timer does not keep the process alive. @throws the signal's reason once it aborts */
  delay(ms: number, options?: { signal?: AbortSignal }): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  delay: (ms, options) => wait(ms, undefined, { ref: false, ...options }),
};

/** RFC 3339 in UTC with second precision, as `metav1.Time` is written: `2026-01-02T03:04:05Z`. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 in UTC with six decimals, as `metav1.MicroTime` is written: `2026-01-02T03:04:05.678000Z`. */
export function formatMicroTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}
