import { setTimeout as wait } from 'node:timers/promises';
import { startPair, type TunnelPair } from '../../test/interop/konnectivity-pair.ts';
import type { Servers } from './area.ts';
import { median } from './load.ts';
import { limitRow, type Row } from './table.ts';
import { endsOf, type TunnelKind } from './tunnel-bed.ts';

const labels = { native: 'native', konnectivity: "upstream's protocol" } as const;
const outageMs = 25_000;

interface ReturnFigure {
  /** Medians, in seconds from the server's first answer to a probe. */
  readonly atOnce: number;
  readonly afterOutage: number;
}

/** How soon an agent is back after its server was killed and started again. */
export async function returnRows({ quick, rounds }: Servers): Promise<Row[]> {
  const kinds = (['native', 'konnectivity', 'upstream'] as const).filter((kind) => endsOf(kind));
  const measured = await Promise.all(kinds.map(async (kind) => [kind, await measure(kind, rounds, quick)] as const));
  const figures = new Map<TunnelKind, ReturnFigure>(measured);
  const upstream = figures.get('upstream');
  return (['native', 'konnectivity'] as const).flatMap((kind) => {
    const ours = figures.get(kind);
    if (!ours) return [];
    return [
      limitRow(`agent back after its server restarted at once, ${labels[kind]}`, {
        value: ours.atOnce,
        unit: 's',
        limit: 0.3,
        ...(upstream && { upstream: upstream.atOnce }),
      }),
      limitRow(`agent back after ${quick ? 5 : 25} s without a server, ${labels[kind]}`, {
        value: ours.afterOutage,
        unit: 's',
        limit: 2,
        ...(upstream && { upstream: upstream.afterOutage }),
      }),
    ];
  });
}

async function measure(kind: TunnelKind, rounds: number, quick: boolean): Promise<ReturnFigure> {
  const ends = endsOf(kind);
  if (!ends) throw new Error(`There is no ${kind} tunnel here`);
  await using pair = await startPair({ ...ends, mode: 'http-connect' });
  const atOnce: number[] = [];
  const afterOutage: number[] = [];
  for (let round = 0; round < rounds * 2 + 1; round++) atOnce.push(await restart(pair, 0));
  for (let round = 0; round < rounds; round++) afterOutage.push(await restart(pair, quick ? 5_000 : outageMs));
  return { atOnce: median(atOnce), afterOutage: median(afterOutage) };
}

/** Seconds between the first answer of the new server and its first agent. */
async function restart(pair: TunnelPair, withoutMs: number): Promise<number> {
  await pair.kill('server');
  await wait(withoutMs);
  const starting = pair.startServer();
  const deadline = performance.now() + 60_000;
  let listeningMs = Number.NaN;
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${pair.ports.health}/readyz`).catch(() => undefined);
    if (answer && Number.isNaN(listeningMs)) listeningMs = performance.now();
    if (answer?.ok) break;
    if (performance.now() > deadline) throw new Error('The agent has not come back within a minute');
    await wait(5);
  }
  const seconds = (performance.now() - listeningMs) / 1000;
  await starting;
  // Long enough for the agent to take the connection for a lasting one.
  await wait(1500);
  return seconds;
}
