import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { Node } from '../../src/api/kubernetes/core-v1.ts';
import { connectApi } from '../../src/client/connect.ts';
import { clientConfigOf, parseKubeconfig } from '../../src/client/kubeconfig.ts';
import { nodes } from '../../src/client/resources.ts';
import { startUp } from '../e2e/fairlead-process.ts';
import { listeningSockets } from './listening-sockets.ts';

const options = { skip: existsSync('/proc/net/tcp') ? false : 'needs /proc' };

test(
  'the default cluster listens on loopback alone: the port of the API server and the port of the kubelet',
  options,
  async () => {
    await using cluster = await startUp({ args: ['--secure-port', '0', '--no-demo'] });
    const config = clientConfigOf(parseKubeconfig(readFileSync(cluster.kubeconfig, 'utf8'), cluster.kubeconfig));
    await using client = connectApi(config);
    const [node] = (await client.list<Node>(nodes)).items;
    const expected = [Number(new URL(config.server).port), node?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0];
    const found = listeningSockets(cluster.child.pid ?? 0);
    const byPort = (a: string, b: string) => a.localeCompare(b);
    assert.deepEqual(
      found.map(({ address, port }) => `${address}:${port}`).sort(byPort),
      expected.map((port) => `127.0.0.1:${port}`).sort(byPort),
    );
  },
);

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
