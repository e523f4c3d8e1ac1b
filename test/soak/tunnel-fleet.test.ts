import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { nameOf, startPair, tunnelEnds } from '../interop/konnectivity-pair.ts';
import { residentMb } from './tunnel-bed.ts';
import { startFleet } from './tunnel-fleet.ts';

/** `FAIRLEAD_SOAK_AGENTS=5000` for more: on 2 cores their handshakes, both ends of them, take all of both. */
const agents = Number(process.env['FAIRLEAD_SOAK_AGENTS'] ?? 2_000);
/** Of a machine that has nothing else to do a quarter is enough; `npm run bench tunnel` has the figure that is aimed at. */
const backWithinMs = 60_000;
/** Longer than the server waits between two pings, and for their answers. */
const quietMs = 12_000;

for (const ends of tunnelEnds.filter(({ server, agent }) => server === 'ours' && agent === 'ours')) {
  const { protocol } = ends;
  test(`${agents} agents lose their server at once, come back and stay: ${nameOf(ends)}`, {
    timeout: 120_000 + agents * 60,
  }, async (context) => {
    await using pair = await startPair({ ...ends, mode: 'http-connect' });
    await using fleet = startFleet(pair, { count: agents, protocol });
    const startedMs = performance.now();
    await fleet.reached(agents);
    const firstMs = performance.now() - startedMs;

    await pair.kill('server');
    await fleet.fallen(0);
    await pair.startServer();
    const backMs = performance.now();
    await fleet.reached(agents);
    const tookMs = performance.now() - backMs;
    await wait(quietMs);
    assert.equal(fleet.fewest, agents, 'none is lost again, to a ping that was not answered or otherwise');
    const perAgentKb = ((residentMb(pair.server.child.pid) - 100) * 1024) / agents;
    context.diagnostic(
      `first ${(firstMs / 1000).toFixed(1)} s, back after ${(tookMs / 1000).toFixed(1)} s, about ${perAgentKb.toFixed(0)} KB each`,
    );
    assert.ok(tookMs <= backWithinMs, `back after ${tookMs} ms`);
  });
}
