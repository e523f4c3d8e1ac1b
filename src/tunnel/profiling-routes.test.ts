import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenPlain } from './plain-listener.ts';
import { profilingRoutes } from './profiling-routes.ts';

test('profiles of V8 are served by upstream’s paths, and those that cannot be are refused with a word', async () => {
  await using admin = await listenPlain({ host: '127.0.0.1', port: 0 }, profilingRoutes());
  const ask = (path: string) => fetch(`http://127.0.0.1:${admin.port}/debug/pprof${path}`, { redirect: 'manual' });
  const moved = await ask('');
  assert.deepEqual([moved.status, moved.headers.get('location')], [301, '/debug/pprof/']);
  assert.match(await (await ask('/')).text(), /\.cpuprofile/);
  const running = ask('/profile?seconds=1');
  const first = await running;
  assert.equal(first.headers.get('content-disposition'), 'attachment; filename="process.cpuprofile"');
  const profile = (await first.json()) as { nodes?: unknown[] };
  assert.ok(Array.isArray(profile.nodes));
  const heap = (await (await ask('/heap?seconds=1')).json()) as { head?: object };
  assert.equal(typeof heap.head, 'object');
  assert.equal((await ask('/profile?seconds=100000')).status, 400);
  for (const name of ['symbol', 'trace', 'goroutine']) assert.equal((await ask(`/${name}`)).status, 501);
});
