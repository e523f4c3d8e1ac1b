import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/kubernetes/core-v1.ts';
import { nodes, pods, serviceAccounts } from '../client/resources.ts';
import { createCluster } from './create-cluster.ts';

/** Watches until a pod is as wanted. */
async function untilPod(
  cluster: Awaited<ReturnType<typeof createCluster>>,
  name: string,
  until: (pod: Pod) => boolean,
): Promise<Pod> {
  const options = { namespace: 'default', fieldSelector: `metadata.name=${name}` };
  for await (const event of cluster.client.watch<Pod>(pods, options)) {
    if (event.type !== 'ERROR' && event.type !== 'BOOKMARK' && until(event.object)) return event.object;
  }
  throw new Error('The watch has ended');
}

async function untilServiceAccount(cluster: Awaited<ReturnType<typeof createCluster>>): Promise<void> {
  const options = { namespace: 'default', fieldSelector: 'metadata.name=default' };
  for await (const event of cluster.client.watch(serviceAccounts, options)) if (event.type === 'ADDED') return;
}

const pod = (name: string): Pod => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'c', image: 'anything:1' }] },
});

test('a cluster is ready, joins a simulated node and runs a pod on it', async () => {
  await using cluster = await createCluster();
  const node = await cluster.addNode({ runtime: 'simulated' });
  const listed = await cluster.client.list(nodes);
  assert.deepEqual(
    listed.items.map(({ metadata }) => metadata?.name),
    [node.name],
  );
  await untilServiceAccount(cluster);
  await cluster.client.create(pods, pod('one'));
  const running = await untilPod(cluster, 'one', ({ status }) => status?.phase === 'Running');
  assert.equal(running.spec?.nodeName, node.name);
});

test('clusters live side by side and share nothing', async () => {
  await using one = await createCluster({ controllers: false });
  await using two = await createCluster({ controllers: false });
  assert.notEqual(one.server, two.server);
  assert.notEqual(one.ca, two.ca);
});

test('nothing stays open after disposal', async () => {
  const before = process
    .getActiveResourcesInfo()
    .filter((name) => !name.startsWith('Pipe') && name !== 'TTYWrap').length;
  {
    await using cluster = await createCluster({ store: 'disk' });
    await cluster.addNode({ runtime: 'simulated' });
  }
  const after = process.getActiveResourcesInfo().filter((name) => !name.startsWith('Pipe') && name !== 'TTYWrap');
  assert.ok(after.length <= before, `still open: ${after.join(', ')}`);
});
