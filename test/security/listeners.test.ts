import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { Node } from '../../src/api/kubernetes/core-v1.ts';
import { connectApi } from '../../src/client/connect.ts';
import { clientConfigOf, parseKubeconfig } from '../../src/client/kubeconfig.ts';
import { nodes } from '../../src/client/resources.ts';
import { probeIsland } from '../../src/cluster/island/probe-island.ts';
import { startUp } from '../e2e/fairlead-process.ts';
import { listeningSockets } from './listening-sockets.ts';

const options = { skip: existsSync('/proc/net/tcp') ? false : 'needs /proc' };

/** What a cluster of one process listens on in this machine's network, and the ports that its objects speak of. */
async function socketsOf(args: readonly string[]): Promise<{ found: string[]; api: string; kubelet: string }> {
  await using cluster = await startUp({ args: ['--secure-port', '0', '--no-demo', ...args] });
  const config = clientConfigOf(parseKubeconfig(readFileSync(cluster.kubeconfig, 'utf8'), cluster.kubeconfig));
  await using client = connectApi(config);
  const [node] = (await client.list<Node>(nodes)).items;
  const found = listeningSockets(cluster.child.pid ?? 0).map(({ address, port }) => `${address}:${port}`);
  const kubelet = node?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  return { found: found.sort(), api: `127.0.0.1:${new URL(config.server).port}`, kubelet: `127.0.0.1:${kubelet}` };
}

test('a cluster whose node is an island listens on one port of loopback alone: the API server', options, async (t) => {
  const probe = await probeIsland();
  if (!probe.ok) return t.skip(probe.reason);
  const { found, api } = await socketsOf(['--node-network', 'island']);
  assert.deepEqual(found, [api]);
});

test("a cluster on the host's network listens on loopback alone: the API server and the kubelet", options, async () => {
  const { found, api, kubelet } = await socketsOf(['--node-network', 'host']);
  assert.deepEqual(found, [api, kubelet].sort());
});

test('listening sockets of this process are found, of both families', options, async () => {
  const servers = await Promise.all(['127.0.0.1', '::1', '::'].map(listen));
  const mine = listeningSockets(process.pid);
  for (const { host, port, server } of servers) {
    const address = host === '::1' ? '[::1]' : host === '::' ? '[::]' : host;
    assert.ok(
      mine.some((socket) => socket.port === port && socket.address === address),
      host,
    );
    await new Promise((resolve) => server.close(resolve));
  }
});

async function listen(host: string) {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const address = server.address();
  return { host, server, port: typeof address === 'object' && address ? address.port : 0 };
}
