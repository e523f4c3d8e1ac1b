import { setTimeout as wait } from 'node:timers/promises';
import type { Area } from './harness/area.ts';
import { Connection } from './harness/connection.ts';
import { ensurePods } from './harness/objects.ts';
import type { ProcessUsage } from './harness/process-usage.ts';
import { limitRow } from './harness/table.ts';
import { startOurs, startUpstream, type Target } from './harness/target.ts';

const pods = 6000;

/** What a fresh API server takes when nobody uses it, and with objects in it. Servers of its own: memory remembers what was before. */
export const memoryArea: Area = {
  name: 'memory',
  async run(servers) {
    const idleMs = servers.quick ? 2000 : 20_000;
    await using ours = await startOurs();
    await using upstream = servers.upstreamMissing === undefined ? await startUpstream() : undefined;
    const targets = [ours, ...(upstream ? [upstream] : [])];
    await wait(servers.quick ? 1000 : 4000); // what starting left to do
    const before = targets.map((target) => target.usage());
    await wait(idleMs);
    const after = targets.map((target) => target.usage());
    const idle = (index: number) => (100 * (cpuOf(after, index) - cpuOf(before, index))) / idleMs;
    const full = await Promise.all(targets.map((target) => fill(target, servers.quick)));
    const compare = (values: readonly (number | undefined)[]) => ({
      value: values[0] ?? Number.NaN,
      ...(values[1] !== undefined && { upstream: values[1] }),
    });
    return [
      limitRow('memory idle, API server and store', {
        ...compare(after.map(({ rssMb }) => rssMb)),
        unit: 'MB',
        limit: 120,
      }),
      limitRow(`idle CPU over ${idleMs / 1000} s, API server and store`, {
        ...compare(targets.map((_, index) => idle(index))),
        unit: '%',
        limit: 0.5,
      }),
      limitRow('memory with 6,000 pods, API server and store', { ...compare(full), unit: 'MB', limit: 270 }),
    ];
  },
};

async function fill(target: Target, quick: boolean): Promise<number> {
  await using connection = await Connection.open(target.kubeconfig);
  await ensurePods(connection, 'bench-memory', pods);
  await wait(quick ? 1000 : 5000);
  return target.usage().rssMb;
}

function cpuOf(usages: readonly ProcessUsage[], index: number): number {
  return usages[index]?.cpuMs ?? Number.NaN;
}
