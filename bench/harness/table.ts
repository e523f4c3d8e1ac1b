import type { Compared } from './area.ts';
import type { LoadFigure } from './load.ts';

/** One line of the table: a figure with what it is measured against in the same run. */
export interface Row {
  readonly figure: string;
  readonly ours: string;
  /** The same on bare Node, on a raw connection or on the engine alone. */
  readonly ceiling?: string;
  readonly upstream?: string;
  /** Ours to upstream, or to the ceiling where there is no upstream. */
  readonly ratio?: string;
  readonly target?: string;
  /** Absent where nothing was promised or nothing could be compared. */
  readonly verdict?: 'ok' | 'short';
}

/** A rate with its CPU, to be `rate` times upstream's at the `1 / cpuShare` part of its CPU. */
export function rateRow(figure: string, compared: Compared, target?: { rate: number; cpuShare: number }): Row {
  const { ours, bare, upstream } = compared;
  const rate = upstream && ours.perSecond / upstream.perSecond;
  const share = upstream && upstream.cpuMs / ours.cpuMs;
  const met = target && rate !== undefined && share !== undefined && rate >= target.rate && share >= target.cpuShare;
  return {
    figure,
    ours: formatLoad(ours),
    ...(bare && { ceiling: formatLoad(bare) }),
    ...(upstream && { upstream: formatLoad(upstream) }),
    ...(rate !== undefined && share !== undefined && { ratio: `${digits(rate)} × rate, 1/${digits(share)} CPU` }),
    ...(target && { target: `≥ ${target.rate} × rate, ≤ 1/${target.cpuShare} CPU` }),
    ...(met !== undefined && { verdict: verdictOf(met) }),
  };
}

export interface LimitFigure {
  readonly value: number;
  readonly unit: string;
  readonly limit?: number;
  readonly upstream?: number;
  readonly ceiling?: number;
  /** More about ours: `p99 0.4 s`. */
  readonly detail?: string;
}

/** A value that is to stay below a limit of its own, whatever upstream does. */
export function limitRow(figure: string, { value, unit, limit, upstream, ceiling, detail }: LimitFigure): Row {
  return {
    figure,
    ours: `${digits(value)} ${unit}${detail === undefined ? '' : `, ${detail}`}`,
    ...(ceiling !== undefined && { ceiling: `${digits(ceiling)} ${unit}` }),
    ...(upstream !== undefined && { upstream: `${digits(upstream)} ${unit}`, ratio: `${digits(value / upstream)} ×` }),
    ...(limit !== undefined && { target: `≤ ${limit} ${unit}`, verdict: verdictOf(value <= limit) }),
  };
}

/** A value that is to be at most `share` of upstream's. */
export function shareRow(figure: string, options: LimitFigure & { share: number }): Row {
  const { value, upstream, share } = options;
  const row = limitRow(figure, options);
  if (upstream === undefined) return { ...row, target: `≤ ${share} × upstream` };
  return { ...row, target: `≤ ${share} × upstream`, verdict: verdictOf(value <= share * upstream) };
}

export function verdictOf(met: boolean): 'ok' | 'short' {
  return met ? 'ok' : 'short';
}

/** Three figures that matter: `2.61 k`, `0.0312`. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 9_950) return `${(value / 1000).toPrecision(3)} k`;
  return value >= 1000 ? `${(value / 1000).toFixed(2)} k` : value >= 99.5 ? value.toFixed(0) : value.toPrecision(2);
}

function formatLoad({ perSecond, p50Ms, p99Ms, cpuMs }: LoadFigure): string {
  const latency = Number.isFinite(p50Ms) ? `, p50 ${digits(p50Ms)} p99 ${digits(p99Ms)}` : '';
  return `${digits(perSecond)}/s, ${digits(cpuMs)} ms CPU${latency}`;
}

const columns = {
  figure: 61,
  ours: 42,
  ceiling: 46,
  upstream: 42,
  ratio: 22,
  target: 25,
  verdict: 7,
} as const;

/** The head of the table; its widths are fixed, so that rows can be printed as they are measured. */
export function formatHead(): string {
  const names = Object.keys(columns).map((name) => [name, name] as const);
  const rules = Object.entries(columns).map(([name, width]) => [name, '─'.repeat(width)] as const);
  return [names, rules].map((line) => formatRow(Object.fromEntries(line))).join('\n');
}

export function formatRow(row: Row | Readonly<Record<string, string>>): string {
  const cells: Readonly<Record<string, string | undefined>> = { ...row };
  return Object.entries(columns)
    .map(([name, width]) => (cells[name] ?? '–').padEnd(width))
    .join('  ')
    .trimEnd();
}
