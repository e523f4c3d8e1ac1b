import { Connection } from './connection.ts';
import type { Target } from './target.ts';

/** What one load did to one server. */
export interface LoadFigure {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the server's processes, for each operation. */
  readonly cpuMs: number;
  /** Of the server's processes, afterwards. */
  readonly rssMb: number;
}

/** Performs one operation. Resolves with `false` when there is nothing left to do. */
export type Operation = (connection: Connection, caller: Caller) => Promise<unknown>;

export interface Caller {
  readonly id: number;
  /** Counts this caller's operations from 0. */
  readonly round: number;
}

export interface LoadOptions {
  readonly callers: number;
  readonly durationMs: number;
  /** Operations that count neither in rate nor in CPU. @default a quarter of the duration */
  readonly warmUpMs?: number;
}

/** Callers share connections, this many each. */
const callersPerConnection = 4;

/** Runs `operation` in a loop from each caller, a new one as soon as the last has been answered. */
export async function runLoad(target: Target, operation: Operation, options: LoadOptions): Promise<LoadFigure> {
  const { callers, durationMs, warmUpMs = durationMs / 4 } = options;
  await using parts = new AsyncDisposableStack();
  const opening = Array.from({ length: Math.ceil(callers / callersPerConnection) }, async () =>
    parts.use(await Connection.open(target.kubeconfig)),
  );
  const connections = await Promise.all(opening);
  const latencies: number[] = [];
  let counted: { atMs: number; cpuMs: number } | undefined;
  const started = performance.now();
  const caller = async (connection: Connection, id: number) => {
    for (let round = 0; performance.now() - started < warmUpMs + durationMs; round++) {
      const begin = performance.now();
      if ((await operation(connection, { id, round })) === false) return;
      const end = performance.now();
      if (counted) latencies.push(end - begin);
      else if (end - started >= warmUpMs) counted = { atMs: end, cpuMs: target.usage().cpuMs };
    }
  };
  const running = Array.from({ length: callers }, (_, id) => {
    const connection = connections[id % connections.length];
    return connection ? caller(connection, id) : Promise.resolve();
  });
  await Promise.all(running);
  const usage = target.usage();
  const seconds = (performance.now() - (counted?.atMs ?? started)) / 1000;
  const cpuMs = (usage.cpuMs - (counted?.cpuMs ?? 0)) / latencies.length;
  return { perSecond: latencies.length / seconds, cpuMs, rssMb: usage.rssMb, ...quantiles(latencies) };
}

export function quantiles(latencies: number[]): { p50Ms: number; p99Ms: number } {
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** The middle of several runs, each figure by itself: one noisy second does not decide. */
export function medianOf(figures: readonly LoadFigure[]): LoadFigure {
  const middle = (pick: (figure: LoadFigure) => number) => median(figures.map(pick));
  return {
    perSecond: middle((figure) => figure.perSecond),
    p50Ms: middle((figure) => figure.p50Ms),
    p99Ms: middle((figure) => figure.p99Ms),
    cpuMs: middle((figure) => figure.cpuMs),
    rssMb: middle((figure) => figure.rssMb),
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
