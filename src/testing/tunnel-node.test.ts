import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod } from '../api/kubernetes/core-v1.ts';
import { nodeRouteLabel } from '../api/node-route.ts';
import { nodes, pods, serviceAccounts } from '../client/resources.ts';
import { routesPath } from '../cluster/node-routes.ts';
import { createCluster, type TestCluster } from './create-cluster.ts';

async function runPod(cluster: TestCluster, name: string, node: string): Promise<void> {
  for await (const event of cluster.client.watch(serviceAccounts, { namespace: 'default' })) {
    if (event.type === 'ADDED') break;
  }
  await cluster.client.create<Pod>(pods, {
    metadata: { name, namespace: 'default' },
    spec: { nodeName: node, containers: [{ name: 'c', image: 'anything:1' }] },
  });
  const fieldSelector = `metadata.name=${name}`;
  for await (const event of cluster.client.watch<Pod>(pods, { namespace: 'default', fieldSelector })) {
    if (event.type !== 'ERROR' && event.object.status?.phase === 'Running') return;
  }
}

async function logOf(cluster: TestCluster, pod: string): Promise<{ status: number; text: string }> {
  const path = `/api/v1/namespaces/default/pods/${pod}/log`;
  const { status, body } = await cluster.client.request({ method: 'GET', path });
  return { status, text: Buffer.from(body).toString() };
}

test('a node with a tunnel and one without live side by side, and each is reached by its own route', async () => {
  await using cluster = await createCluster();
  const logs = (text: string) => () => [text];
  await cluster.addNode({ name: 'far', runtime: 'simulated', route: 'tunnel', logs: logs('through the tunnel') });
  await cluster.addNode({ name: 'near', runtime: 'simulated', logs: logs('by a socket') });
  await Promise.all([runPod(cluster, 'one', 'far'), runPod(cluster, 'two', 'near')]);
  assert.deepEqual(await logOf(cluster, 'one'), { status: 200, text: 'through the tunnel\n' });
  assert.deepEqual(await logOf(cluster, 'two'), { status: 200, text: 'by a socket\n' });
  const { body } = await cluster.client.request({ method: 'GET', path: routesPath });
  const { items } = JSON.parse(Buffer.from(body).toString());
  assert.deepEqual(
    items.map(({ node, route, connected }: Record<string, unknown>) => [node, route, connected]),
    [
      ['far', 'tunnel', true],
      ['near', 'direct', undefined],
    ],
  );
});

test('a node whose tunnel is gone is not reached by any other way, and the failure says so', async () => {
  await using cluster = await createCluster();
  const near = await cluster.addNode({ name: 'n1', runtime: 'simulated', logs: () => ['reachable'] });
  await runPod(cluster, 'one', 'n1');
  assert.equal((await logOf(cluster, 'one')).status, 200);
  const patch = { metadata: { labels: { [nodeRouteLabel]: 'tunnel' } } };
  await cluster.client.patch<Node>(nodes, { name: 'n1' }, patch, { type: 'application/merge-patch+json' });
  const { status, text } = await logOf(cluster, 'one');
  assert.equal(status, 500, `the kubelet still listens on port ${near.port}`);
  assert.match(JSON.parse(text).message, /kubelet of node "n1".*tunnel.*[Nn]o agent/);
});
