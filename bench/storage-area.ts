import type { Area } from './harness/area.ts';
import { digits, type Row } from './harness/table.ts';
import { benchStorage, type StorageFigure } from './storage.ts';

/** The storage engines alone. The memory engine is the ceiling of the durable one. */
export const storageArea: Area = {
  name: 'storage',
  async run(servers) {
    const figures = await benchStorage({ durationMs: servers.quick ? 500 : 2000 });
    return figures.filter(({ engine }) => engine !== 'memory').map((figure) => row(figure, figures));
  },
};

function row(figure: StorageFigure, all: readonly StorageFigure[]): Row {
  const memory = all.find(({ engine, clients }) => engine === 'memory' && clients === figure.clients);
  return {
    figure: `storage: compare-and-put of 1.5 KB, ${figure.engine}, ${figure.clients} clients`,
    ours: format(figure),
    ...(memory && { ceiling: `memory engine: ${format(memory)}` }),
  };
}

function format({ putsPerSecond, processCpuMicros, p50Ms, p99Ms }: StorageFigure): string {
  const cpu = digits(processCpuMicros / 1000);
  return `${digits(putsPerSecond)}/s, ${cpu} ms CPU, p50 ${digits(p50Ms)} p99 ${digits(p99Ms)}`;
}
