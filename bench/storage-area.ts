import type { Area } from './harness/area.ts';
import { type Etcd, findEtcd, startEtcd } from './harness/etcd.ts';
import { quantiles } from './harness/load.ts';
import { digits, type Row } from './harness/table.ts';
import { benchStorage, type StorageFigure } from './storage.ts';

type Figure = Pick<StorageFigure, 'clients' | 'putsPerSecond' | 'p50Ms' | 'p99Ms' | 'processCpuMicros'>;

const keys = 10_000;
const valueBytes = 1500;

/** The storage engines alone. The memory engine is the ceiling of the durable one, etcd its peer. */
export const storageArea: Area = {
  name: 'storage',
  async run(servers) {
    const durationMs = servers.quick ? 500 : 2000;
    const figures = await benchStorage({ durationMs });
    const path = findEtcd();
    const etcd = path === undefined ? [] : await benchEtcd(path, durationMs);
    return figures
      .filter(({ engine }) => engine === 'sqlite')
      .map((figure) => {
        const same = ({ clients }: Figure) => clients === figure.clients;
        const memory = figures.filter(({ engine }) => engine === 'memory').find(same);
        return row(figure, memory, etcd.find(same));
      });
  },
};

function row(figure: Figure, memory: Figure | undefined, etcd: Figure | undefined): Row {
  const clients = figure.clients === 1 ? 'one caller' : `${figure.clients} callers`;
  return {
    figure: `storage: durable compare-and-put of 1.5 KB, ${clients}`,
    ours: format(figure),
    ...(memory && { ceiling: format(memory) }),
    ...(etcd && {
      upstream: format(etcd),
      ratio: `${digits(figure.putsPerSecond / etcd.putsPerSecond)} × rate, 1/${digits(etcd.processCpuMicros / figure.processCpuMicros)} CPU`,
    }),
  };
}

function format({ putsPerSecond, processCpuMicros, p50Ms, p99Ms }: Figure): string {
  const cpu = digits(processCpuMicros / 1000);
  return `${digits(putsPerSecond)}/s, ${cpu} ms CPU, p50 ${digits(p50Ms)} p99 ${digits(p99Ms)}`;
}

/** The same work on etcd, over gRPC from this process; its CPU is etcd's own. */
async function benchEtcd(path: string, durationMs: number): Promise<Figure[]> {
  await using etcd = await startEtcd(path);
  const revisions = new Map<string, number>();
  let next = 0;
  const fill = async () => {
    for (let index = next++; index < keys; index = next++) await putOne(etcd, revisions, index);
  };
  await Promise.all(Array.from({ length: 64 }, fill));
  const figures: Figure[] = [];
  for (const clients of [1, 64]) figures.push(await measureEtcd(etcd, { revisions, clients, durationMs }));
  return figures;
}

async function measureEtcd(
  etcd: Etcd,
  { revisions, clients, durationMs }: { revisions: Map<string, number>; clients: number; durationMs: number },
): Promise<Figure> {
  const latencies: number[] = [];
  const cpuMs = etcd.cpuMs();
  const started = performance.now();
  const client = async (id: number) => {
    for (let round = 0; performance.now() - started < durationMs; round++) {
      const begin = performance.now();
      // Each client has keys of its own.
      await putOne(etcd, revisions, (round % Math.floor(keys / clients)) * clients + id);
      latencies.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
  return {
    clients,
    putsPerSecond: latencies.length / ((performance.now() - started) / 1000),
    processCpuMicros: ((etcd.cpuMs() - cpuMs) * 1000) / latencies.length,
    ...quantiles(latencies),
  };
}

async function putOne(etcd: Etcd, revisions: Map<string, number>, index: number): Promise<void> {
  const key = `/registry/pods/default/pod-${String(index).padStart(6, '0')}`;
  revisions.set(key, await etcd.put(key, new Uint8Array(valueBytes), revisions.get(key) ?? 0));
}
