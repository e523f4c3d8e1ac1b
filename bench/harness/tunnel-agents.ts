import { setTimeout as wait } from 'node:timers/promises';
import { startPair } from '../../test/interop/konnectivity-pair.ts';
import { startFleet } from '../../test/soak/tunnel-fleet.ts';
import type { Servers } from './area.ts';
import { processUsage } from './process-usage.ts';
import { digits, limitRow, type Row, verdictOf } from './table.ts';
import { endsOf } from './tunnel-bed.ts';

const labels = { native: 'native', konnectivity: "upstream's protocol" } as const;
const limitKb = 120;
const backLimitS = 15;
/** Longer than two pings and their answers. */
const quietMs = 25_000;

/** Many agents of one server, in one process that simulates them and shares the cores with it. */
export async function agentsRows({ quick }: Servers): Promise<Row[]> {
  const [many, returning] = quick ? [1_000, 500] : [10_000, 5_000];
  const rows: Row[] = [];
  for (const protocol of ['native', 'konnectivity'] as const) {
    rows.push(await memoryRow(protocol, many), await returnRow(protocol, returning));
  }
  return rows;
}

async function memoryRow(protocol: keyof typeof labels, count: number): Promise<Row> {
  const ends = endsOf(protocol);
  if (!ends) throw new Error('Our own ends are always there');
  await using pair = await startPair({ ...ends, mode: 'http-connect' });
  const memoryMb = () => processUsage([pair.server.child.pid ?? 0]).rssMb;
  await wait(2000);
  const beforeMb = memoryMb();
  await using fleet = startFleet(pair, { count, protocol });
  await fleet.reached(count);
  await wait(quietMs);
  const lost = count - fleet.fewest;
  const row = limitRow(`server's memory for each of ${digits(count)} agents, ${labels[protocol]}`, {
    value: ((memoryMb() - beforeMb) * 1024) / count,
    unit: 'KB',
    limit: limitKb,
    detail: `${lost} lost in ${quietMs / 1000} s`,
  });
  return lost > 0 ? { ...row, verdict: verdictOf(false) } : row;
}

async function returnRow(protocol: keyof typeof labels, count: number): Promise<Row> {
  const ends = endsOf(protocol);
  if (!ends) throw new Error('Our own ends are always there');
  await using pair = await startPair({ ...ends, mode: 'http-connect' });
  await using fleet = startFleet(pair, { count, protocol });
  await fleet.reached(count);
  await pair.kill('server');
  await fleet.fallen(0);
  await pair.startServer();
  const started = performance.now();
  await fleet.reached(count);
  return limitRow(`${digits(count)} agents back after their server restarted, ${labels[protocol]}`, {
    value: (performance.now() - started) / 1000,
    unit: 's',
    limit: backLimitS,
  });
}
