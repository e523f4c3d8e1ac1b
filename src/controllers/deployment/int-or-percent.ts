import type { IntOrString } from '../../api/kubernetes/intstr.ts';

/** A whole number, or a share of `total` such as `25%`. What cannot be read counts as 0: the API server has validated it. */
export function scaled(value: IntOrString | undefined, total: number, round: 'up' | 'down'): number {
  if (typeof value === 'number') return value;
  const [, percent] = /^(\d+)%$/.exec(value ?? '') ?? [];
  if (percent === undefined) return 0;
  const share = (Number(percent) * total) / 100;
  return round === 'up' ? Math.ceil(share) : Math.floor(share);
}

/** How many pods more than wanted and how many fewer may be there. At least one of them is not zero, or nothing could ever move. */
export function rolloutLimits(
  { maxSurge, maxUnavailable }: { maxSurge?: IntOrString; maxUnavailable?: IntOrString },
  replicas: number,
): { maxSurge: number; maxUnavailable: number } {
  const surge = scaled(maxSurge ?? '25%', replicas, 'up');
  const unavailable = scaled(maxUnavailable ?? '25%', replicas, 'down');
  if (surge === 0 && unavailable === 0) return { maxSurge: 0, maxUnavailable: 1 };
  return { maxSurge: surge, maxUnavailable: Math.min(unavailable, replicas) };
}
