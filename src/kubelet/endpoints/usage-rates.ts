import type { UsageRates } from './kubelet-api.ts';

const maxEntries = 1024;
/** Two samples that are nearer than this say little: the rate before them is given again. */
const minGapMs = 1_000;

/** CPU rates from the samples that passed by. */
export function createUsageRates(): UsageRates {
  const last = new Map<string, { cpuNanos: number; atMs: number; rate: number }>();
  return {
    rate(id, { cpuNanos, atMs }) {
      const before = last.get(id);
      if (before && atMs - before.atMs < minGapMs) return before.rate;
      const rate = before ? Math.max(0, cpuNanos - before.cpuNanos) / ((atMs - before.atMs) / 1000) : 0;
      last.delete(id);
      last.set(id, { cpuNanos, atMs, rate });
      const [oldest] = last.keys();
      if (last.size > maxEntries && oldest !== undefined) last.delete(oldest);
      return rate;
    },
  };
}
