import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { listenTarget } from '../../src/tunnel/tunnel-suite.ts';
import {
  type Combination,
  eventually,
  missingEnds,
  nameOf,
  startPair,
  type TunnelPair,
  tunnelEnds,
} from '../interop/konnectivity-pair.ts';
import type { PeerProcess } from '../interop/peer-process.ts';
import { inParallel, listenEcho, openFiles, residentMb, soakFactor } from './tunnel-bed.ts';

/** `FAIRLEAD_SOAK=5` makes them 100,000. */
const dials = 20_000 * soakFactor;
const atOnce = 50;
const agents = 2;
const agentLifeMs = 1_500;
const memoryGrowthMb = 60;

const tested = tunnelEnds.filter(({ server, agent }) => server === 'ours' && agent === 'ours');
for (const ends of tested) {
  const combination = { ...ends, mode: 'http-connect' } as const;
  test(
    `${dials} dials, a third given up half-way, agents killed meanwhile, leave nothing: ${nameOf(combination)}`,
    {
      skip: missingEnds(ends) ?? false,
      timeout: 100_000 + dials * 10,
    },
    (context) => leavesNothing(combination, (text) => context.diagnostic(text)),
  );
}

async function leavesNothing(combination: Combination, report: (text: string) => void): Promise<void> {
  await using echo = await listenEcho();
  const refusing = await listenTarget(() => {});
  await refusing[Symbol.asyncDispose]();
  const targets = { echo: `127.0.0.1:${echo.port}`, refusing: `127.0.0.1:${refusing.port}` };
  await using pair = await startPair(combination);
  await churn(pair, 2_000, targets); // what is grown once
  await settled(pair);
  const before = usageOf(pair);

  const extra: PeerProcess[] = [];
  const stop = new AbortController();
  const killing = killAgents(pair, extra, stop.signal);
  const counts = await churn(pair, dials, targets);
  stop.abort();
  await killing;
  for (const agent of extra) await agent.kill();
  report(JSON.stringify(counts));
  assert.ok(counts.echoed > dials / 2.5, `only ${counts.echoed} of ${dials} dials succeeded`);

  await settled(pair);
  const after = usageOf(pair);
  report(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  for (const end of ['server', 'agent'] as const) {
    assert.equal(after[end].files, before[end].files, `file descriptors of the ${end}`);
    assert.ok(after[end].memoryMb - before[end].memoryMb < memoryGrowthMb, `memory of the ${end}`);
  }
}

interface Counts {
  echoed: number;
  givenUp: number;
  refused: number;
  /** Their agent was killed. */
  lost: number;
  readonly reasons: Record<string, number>;
}

async function churn(pair: TunnelPair, times: number, targets: { echo: string; refusing: string }): Promise<Counts> {
  const counts: Counts = { echoed: 0, givenUp: 0, refused: 0, lost: 0, reasons: {} };
  await inParallel(times, atOnce, async (index) => {
    if (index % 3 === 0) {
      await giveUp(pair, targets.echo);
      counts.givenUp++;
      return;
    }
    const refused = index % 20 === 1;
    try {
      const tunnel = await pair.open(refused ? targets.refusing : targets.echo);
      await echo(tunnel);
      counts.echoed++;
    } catch (error) {
      const reason = String(error).slice(0, 120);
      if (/connection refused/.test(reason)) counts.refused++;
      else {
        counts.lost++;
        counts.reasons[reason] = (counts.reasons[reason] ?? 0) + 1;
      }
    }
  });
  return counts;
}

/** Asks for a tunnel and hangs up within 3 ms: before the dial, during it or just behind it. */
async function giveUp(pair: TunnelPair, target: string): Promise<void> {
  const socket = connect({ path: pair.address.path });
  socket.on('error', () => {}); // nothing is expected of it
  await once(socket, 'connect');
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await wait(Math.random() * 3);
  const closed = once(socket, 'close');
  socket.destroy();
  await closed;
}

async function echo(tunnel: Duplex): Promise<void> {
  const answered = Promise.withResolvers<void>();
  tunnel.on('error', answered.reject);
  for (const event of ['end', 'close']) tunnel.once(event, () => answered.reject(new Error('it was lost')));
  tunnel.once('data', () => answered.resolve());
  tunnel.resume();
  tunnel.write('ping');
  try {
    await answered.promise;
  } finally {
    tunnel.destroy();
  }
}

/** Besides the first agent there are others that come, and go without a word. */
async function killAgents(pair: TunnelPair, running: PeerProcess[], signal: AbortSignal): Promise<void> {
  for (let index = 0; !signal.aborted; index++) {
    running.push(await pair.addAgent(`agent-${index + 2}`));
    await wait(Math.random() * agentLifeMs, undefined, { signal }).catch(() => {}); // the churn is over
    if (running.length >= agents) await running.shift()?.kill();
  }
}

const gauges = ['established_connections', 'pending_backend_dials', 'http_connections', 'grpc_connections'];

/** Waits until nothing is left of what was opened: each gauge is 0. The service method `Connect` counts agents. */
async function settled(pair: TunnelPair): Promise<void> {
  const look = async () => {
    const left = await Promise.all(gauges.map(async (name) => [name, await pair.metric(name)] as const));
    left.push(['open_endpoint_connections', await pair.agentMetric('open_endpoint_connections')]);
    return Object.fromEntries(left.filter(([name, value]) => value !== (name === 'grpc_connections' ? 1 : 0)));
  };
  await eventually(look, (left) => Object.keys(left).length === 0, { what: 'gauges', timeoutMs: 30_000 });
  await wait(2_000); // connections that are kept alive for scrapes, and garbage
}

function usageOf(pair: TunnelPair) {
  const of = (peer: PeerProcess) => ({
    files: openFiles(peer.child.pid),
    memoryMb: Math.round(residentMb(peer.child.pid)),
  });
  return { server: of(pair.server), agent: of(pair.agent) };
}
