import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { startPair } from '../../test/interop/konnectivity-pair.ts';
import type { Servers } from './area.ts';
import { processUsage } from './process-usage.ts';
import { digits, limitRow, type Row } from './table.ts';
import { endsOf, startTarget, type TunnelKind } from './tunnel-bed.ts';
import { openTunnel, type TunnelWay } from './tunnel-client.ts';
import { echoes } from './tunnel-load.ts';

interface MemoryFigure {
  /** Server and agent, before anything went through. */
  readonly idleMb: number;
  /** Of both ends, for each connection that carries nothing. */
  readonly connectionKb: number;
}

const labels = { native: 'native', konnectivity: "upstream's protocol" } as const;
const connectionLimitsKb = { native: 40, konnectivity: 50 } as const;
const idleLimitMb = 170;
/** Until a process that has become quiet has given back what it does not use. */
const settleMs = 3000;

/** Each kind by itself and afresh: what earlier loads left behind is no matter of idle connections. */
export async function memoryRows({ quick }: Servers): Promise<Row[]> {
  const connections = quick ? 500 : 3000;
  const figures = new Map<TunnelKind, MemoryFigure>();
  for (const kind of ['native', 'konnectivity', 'upstream'] as const) {
    const figure = await measure(kind, connections);
    if (figure) figures.set(kind, figure);
  }
  const upstream = figures.get('upstream');
  return (['native', 'konnectivity'] as const).flatMap((kind) => {
    const ours = figures.get(kind);
    if (!ours) return [];
    return [
      limitRow(`memory for each idle connection, both ends, ${labels[kind]}`, {
        value: ours.connectionKb,
        unit: 'KB',
        limit: connectionLimitsKb[kind],
        detail: `of ${digits(connections)}`,
        ...(upstream && { upstream: upstream.connectionKb }),
      }),
      limitRow(`memory of server and agent, idle, ${labels[kind]}`, {
        value: ours.idleMb,
        unit: 'MB',
        limit: idleLimitMb,
        ...(upstream && { upstream: upstream.idleMb }),
      }),
    ];
  });
}

async function measure(kind: TunnelKind, connections: number): Promise<MemoryFigure | undefined> {
  const ends = endsOf(kind);
  if (!ends) return undefined;
  await using target = await startTarget();
  await using pair = await startPair({ ...ends, mode: 'http-connect' });
  const memoryMb = () => processUsage([pair.server.child.pid ?? 0, pair.agent.child.pid ?? 0]).rssMb;
  await wait(settleMs);
  const idleMb = memoryMb();
  const way: TunnelWay = { path: pair.address.path, target: `127.0.0.1:${target.port}` };
  // What is compiled and grown once for the first connections is not theirs.
  await echoes(way, { connections: 50, durationMs: 1000 });
  await wait(settleMs);
  const beforeMb = memoryMb();
  const open: Socket[] = [];
  for (let left = connections; left > 0; left -= 50) {
    open.push(...(await Promise.all(Array.from({ length: Math.min(50, left) }, () => openTunnel(way, () => {})))));
  }
  await wait(settleMs);
  const connectionKb = ((memoryMb() - beforeMb) * 1024) / connections;
  for (const socket of open) socket.destroy();
  return { idleMb, connectionKb };
}
