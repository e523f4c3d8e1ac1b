import { readdir, readFile } from 'node:fs/promises';

/** What `/proc` knows of processes. Elsewhere than on Linux everything is unknown. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot when it was started: with the boot, what tells it from another process with its number. */
  readonly startTicks: string;
  readonly bootId: string;
}

const ticksPerSecond = 100; // USER_HZ, which Linux fixes for /proc

export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readStat(pid);
  return stat && stat.state !== 'Z' ? { pid, startTicks: stat.startTicks, bootId: await readBootId() } : undefined;
}

/** Whether the process that was identified still runs. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(identity.pid);
  return now !== undefined && now.startTicks === identity.startTicks && now.bootId === identity.bootId;
}

export async function childrenOf(pid: number): Promise<number[]> {
  const text = await readText(`/proc/${pid}/task/${pid}/children`);
  return (text ?? '').split(' ').filter(Boolean).map(Number);
}

/** `pid` and everything below it. */
export async function treeOf(pid: number): Promise<number[]> {
  const found = [pid];
  for (const next of found) found.push(...(await childrenOf(next)));
  return found;
}

/** Whether it is the watcher of a supervisor: see `supervisor-script.ts`. */
export async function isWatcher(pid: number | undefined): Promise<boolean> {
  return pid !== undefined && (await readText(`/proc/${pid}/comm`))?.trim() === 'fairlead-watch';
}

/** The processes of this user that were started with `variable` (`NAME=value`) in their environment, or with `argument`. */
export async function findProcesses({
  variable,
  argument,
}: {
  variable: string;
  argument?: string;
}): Promise<number[]> {
  const names = await readdir('/proc').catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const has = async (path: string, item: string) => ((await readText(path)) ?? '').split('\0').includes(item);
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (await has(`/proc/${pid}/environ`, variable)) return true;
      return argument !== undefined && (await has(`/proc/${pid}/cmdline`, argument));
    }),
  );
  return pids.filter((_, index) => found[index]);
}

export interface ProcessUsage {
  readonly cpuNanos: number;
  readonly rssBytes: number;
}

/** CPU time includes that of children that have been waited for. */
export async function usageOf(pid: number): Promise<ProcessUsage | undefined> {
  const stat = await readStat(pid);
  return stat && { cpuNanos: (stat.cpuTicks / ticksPerSecond) * 1e9, rssBytes: stat.rssPages * 4096 };
}

export async function readBootId(): Promise<string> {
  return (await readText('/proc/sys/kernel/random/boot_id'))?.trim() ?? '';
}

interface ProcessStat {
  readonly state: string;
  readonly startTicks: string;
  readonly cpuTicks: number;
  readonly rssPages: number;
}

/** `/proc/<pid>/stat`, proc(5): the name in parentheses may hold anything, so fields are counted after the last one. */
async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const number = (index: number) => Number(fields[index - 3] ?? 0);
  return {
    state: fields[0] ?? '',
    startTicks: fields[22 - 3] ?? '',
    cpuTicks: number(14) + number(15) + number(16) + number(17),
    rssPages: number(24),
  };
}

/** `undefined` when the process is gone. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
