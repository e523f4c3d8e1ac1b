import { readFileSync } from 'node:fs';

export interface ProcessUsage {
  /** All threads, user and system. */
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** Linux counts in hundredths of a second. */
const tickMs = 10;

/** CPU and memory of processes that are not ours to ask, added up. Linux only. */
export function processUsage(pids: readonly number[]): ProcessUsage {
  let cpuMs = 0;
  let rssMb = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    cpuMs += (Number(fields[11]) + Number(fields[12])) * tickMs;
    rssMb += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  }
  return { cpuMs, rssMb };
}

/** `pid` and all processes below it. */
export function processTree(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const below = children === '' ? [] : children.split(' ').map(Number);
  return [pid, ...below.flatMap(processTree)];
}
