import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node } from '../../src/api/kubernetes/core-v1.ts';
import { nodes } from '../../src/client/resources.ts';
import { createCluster } from '../../src/testing/create-cluster.ts';

const mebibytes = () => Math.round(process.memoryUsage().rss / 1024 / 1024);
/** Without what the test runner itself opens and closes. */
const openResources = () =>
  process.getActiveResourcesInfo().filter((name) => !name.startsWith('Pipe') && name !== 'TTYWrap').length;

test('fifty clusters in one process live side by side and leave nothing open', async (context) => {
  await (await createCluster())[Symbol.asyncDispose](); // what is loaded and opened once for the process
  const before = openResources();
  const startedAt = performance.now();
  {
    await using clusters = new AsyncDisposableStack();
    const made: Awaited<ReturnType<typeof createCluster>>[] = [];
    for (let index = 0; index < 50; index++) made.push(clusters.use(await createCluster()));
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    context.diagnostic(`50 clusters: ${seconds} s, ${mebibytes()} MiB resident`);
    assert.equal(new Set(made.map(({ server }) => server)).size, 50);
    const answers = await Promise.all(made.map(({ client }) => client.request({ method: 'GET', path: '/readyz' })));
    assert.deepEqual(
      answers.filter(({ status }) => status !== 200),
      [],
    );
  }
  assert.ok(openResources() <= before, `still open: ${process.getActiveResourcesInfo().join(', ')}`);
});

test('two hundred simulated nodes of one cluster become Ready', async (context) => {
  await using cluster = await createCluster();
  const startedAt = performance.now();
  // A few at a time: each join is a handshake, two keys and two certificates.
  for (let first = 0; first < 200; first += 20) {
    await Promise.all(Array.from({ length: 20 }, () => cluster.addNode({ runtime: 'simulated' })));
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  context.diagnostic(`200 nodes: ${seconds} s, ${mebibytes()} MiB resident`);
  const { items } = await cluster.client.list<Node>(nodes);
  const ready = items.filter(({ status }) =>
    status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  assert.equal(ready.length, 200);
});
