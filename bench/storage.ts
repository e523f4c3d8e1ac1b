/** Compare-and-put rates of the storage engines: `node bench/storage.ts`. Values of 1,500 bytes over 10,000 keys, durable for sqlite. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/lib/log.ts';
import { openMemoryStore } from '../src/storage/memory/memory-store.ts';
import { openSqliteStore } from '../src/storage/sqlite/sqlite-store.ts';
import type { Store } from '../src/storage/store.ts';

export interface StorageFigure {
  readonly engine: string;
  readonly clients: number;
  readonly putsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of the thread that calls the store, for each put. For an engine without threads of its own this is all there is. */
  readonly callerCpuMicros: number;
  /** CPU of the process, for each put. */
  readonly processCpuMicros: number;
}

const keys = 10_000;
const valueBytes = 1500;

/** Runs every engine at 1 and 64 clients, `durationMs` each. */
export async function benchStorage({ durationMs = 3000 } = {}): Promise<StorageFigure[]> {
  const figures: StorageFigure[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-bench-'));
  try {
    const engines = {
      memory: () => openMemoryStore(),
      sqlite: () => openSqliteStore({ path: join(directory, 'store.db'), log: silentLogger }),
    };
    for (const [engine, open] of Object.entries(engines)) {
      for (const clients of [1, 64]) {
        await using store = await open();
        figures.push({ engine, clients, ...(await measure(store, { clients, durationMs })) });
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return figures;
}

async function measure(
  store: Store,
  { clients, durationMs }: { clients: number; durationMs: number },
): Promise<Omit<StorageFigure, 'engine' | 'clients'>> {
  const name = (index: number) => `/registry/pods/default/pod-${String(index).padStart(6, '0')}`;
  const { entries } = await store.range({ start: '/registry/pods/', end: '/registry/pods0' });
  const revisions = new Map(entries.map((entry) => [entry.key, entry.modRevision]));
  const fill = Array.from({ length: keys }, async (_, index) => {
    const key = name(index);
    if (!revisions.has(key)) revisions.set(key, await store.put(key, new Uint8Array(valueBytes), { expected: 0 }));
  });
  await Promise.all(fill);
  const latencies: number[] = [];
  const started = performance.now();
  const cpu = process.cpuUsage();
  const callerCpu = process.threadCpuUsage();
  const client = async (id: number) => {
    for (let round = 0; performance.now() - started < durationMs; round++) {
      const index = (((round * 7919) % Math.floor(keys / clients)) * clients + id) % keys;
      const key = name(index);
      const begin = performance.now();
      const expected = revisions.get(key) ?? 0;
      revisions.set(key, await store.put(key, new Uint8Array(valueBytes).fill(round), { expected }));
      latencies.push(performance.now() - begin);
      // An engine that answers within the turn would never let the clock's other users in.
      if (round % 1000 === 999) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
  const seconds = (performance.now() - started) / 1000;
  const micros = ({ user, system }: NodeJS.CpuUsage) => (user + system) / latencies.length;
  const result = {
    putsPerSecond: latencies.length / seconds,
    callerCpuMicros: micros(process.threadCpuUsage(callerCpu)),
    processCpuMicros: micros(process.cpuUsage(cpu)),
  };
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.floor((latencies.length - 1) * q)] ?? 0;
  return { ...result, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

if (import.meta.main) {
  const rows = (await benchStorage()).map((figure) => ({
    engine: figure.engine,
    clients: figure.clients,
    'puts/s': Math.round(figure.putsPerSecond),
    'p50 ms': figure.p50Ms.toFixed(3),
    'p99 ms': figure.p99Ms.toFixed(3),
    'caller CPU µs': figure.callerCpuMicros.toFixed(1),
    'process CPU µs': figure.processCpuMicros.toFixed(1),
  }));
  console.table(rows);
}
