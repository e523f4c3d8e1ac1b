import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { startUp } from '../test/e2e/fairlead-process.ts';
import type { Area, Servers } from './harness/area.ts';
import { quantiles } from './harness/load.ts';
import { processTree, processUsage } from './harness/process-usage.ts';
import { digits, limitRow, type Row } from './harness/table.ts';

/** Whole clusters: control plane, controllers, scheduler, and for the quick start a node with its demo pod. */
export const clusterArea: Area = {
  name: 'cluster',
  async run(servers) {
    return [...(await createClusterRows(servers)), ...(await quickStartRows(servers))];
  },
};

async function createClusterRows({ quick }: Servers): Promise<Row[]> {
  const together = quick ? 10 : 50;
  const child = fork(
    join(import.meta.dirname, 'harness/create-cluster-process.ts'),
    [quick ? '5' : '20', `${together}`],
    {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    },
  );
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`createCluster() ended with ${code}`)));
  ended.catch(() => {}); // it ends in any case
  const [result] = (await Promise.race([once(child, 'message'), ended])) as [{ readyMs: number[]; rssMb: number }];
  const { p50Ms } = quantiles(result.readyMs);
  return [
    limitRow('createCluster() ready, p50', { value: p50Ms / 1000, unit: 's', limit: 0.3 }),
    limitRow('createCluster() ready, the slowest', { value: Math.max(...result.readyMs) / 1000, unit: 's', limit: 1 }),
    limitRow(`memory of one process with ${together} clusters`, {
      value: result.rssMb,
      unit: 'MB',
      ...(together === 50 && { limit: 1500 }),
    }),
  ];
}

/** `npm start` without npm's own process. */
async function quickStartRows({ quick }: Servers): Promise<Row[]> {
  const idleMs = quick ? 2000 : 20_000;
  const started = performance.now();
  await using up = await startUp();
  const readyMs = performance.now() - started;
  const pids = () => processTree(up.child.pid ?? 0);
  await wait(quick ? 1000 : 4000); // what starting left to do
  const before = processUsage(pids());
  await wait(idleMs);
  const after = processUsage(pids());
  const own = processUsage([up.child.pid ?? 0]);
  return [
    limitRow('npm start to demo pod Running, new cluster', {
      value: readyMs / 1000,
      unit: 's',
      limit: 3,
    }),
    limitRow('memory idle, whole default cluster', {
      value: after.rssMb,
      unit: 'MB',
      limit: 220,
      detail: `${digits(after.rssMb - own.rssMb)} MB of it pods' processes`,
    }),
    limitRow(`idle CPU over ${idleMs / 1000} s, whole default cluster`, {
      value: (100 * (after.cpuMs - before.cpuMs)) / idleMs,
      unit: '%',
      limit: 0.5,
    }),
  ];
}
