import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Area } from './harness/area.ts';
import { median } from './harness/load.ts';
import { digits, limitRow } from './harness/table.ts';
import { startOurs, startUpstream, type Target } from './harness/target.ts';

/** From the start of the process to the first good answer on `/readyz`. */
export const startArea: Area = {
  name: 'start',
  async run(servers) {
    const directories = Array.from({ length: servers.quick ? 2 : 5 }, () =>
      mkdtempSync(join(tmpdir(), 'fairlead-bench-')),
    );
    try {
      const cold: Ready[] = [];
      const again: Ready[] = [];
      for (const directory of directories) {
        cold.push(await readiness(() => startOurs(directory)));
        again.push(await readiness(() => startOurs(directory)));
      }
      const upstream = servers.upstreamMissing === undefined ? await readiness(startUpstream) : undefined;
      const peer = upstream && { upstream: upstream.seconds };
      const upstreamCpu = upstream ? ` (upstream ${digits(upstream.cpuSeconds)} s)` : '';
      const row = (figure: string, figures: readonly Ready[]) =>
        limitRow(figure, {
          value: median(figures.map(({ seconds }) => seconds)),
          unit: 's',
          detail: `${digits(median(figures.map(({ cpuSeconds }) => cpuSeconds)))} s CPU${upstreamCpu}`,
          limit: 0.4,
          ...peer,
        });
      return [row('cold start to /readyz, new cluster', cold), row('start to /readyz on its data', again)];
    } finally {
      for (const directory of directories) rmSync(directory, { recursive: true, force: true });
    }
  },
};

interface Ready {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function readiness(start: () => Promise<Target>): Promise<Ready> {
  await using target = await start();
  return { seconds: target.readyMs / 1000, cpuSeconds: target.usage().cpuMs / 1000 };
}
