import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { Pod } from '../../src/api/kubernetes/core-v1.ts';
import { currentOf } from '../../src/client/client-config.ts';
import { clientConfigOf, loadKubeconfig } from '../../src/client/kubeconfig.ts';
import { endpointSlices, namespaces, pods, serviceAccounts, services } from '../../src/client/resources.ts';
import { createCluster, type TestCluster } from '../../src/testing/create-cluster.ts';

const routes = ['direct', 'tunnel'] as const;

describe('proxies reach nodes by their routes', () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await createCluster();
    const { client } = cluster;
    await client.get(namespaces, { name: 'default' });
    const account = { namespace: 'default', fieldSelector: 'metadata.name=default' };
    for await (const event of client.watch(serviceAccounts, account)) if (event.type === 'ADDED') break;
  });
  after(() => cluster[Symbol.asyncDispose]());

  for (const route of routes) {
    test(`${route}: a node, a pod and a service answer, again and again`, async () => {
      const { client } = cluster;
      await using node = await cluster.addNode({ name: `by-${route}`, route });
      await client.create<Pod>(pods, {
        metadata: { namespace: 'default', name: route, labels: { app: route } },
        spec: {
          nodeName: node.name,
          containers: [{ name: 'c', image: 'fairlead/demo', ports: [{ name: 'http', containerPort: 8080 }] }],
        },
      });
      await client.create(services, {
        metadata: { namespace: 'default', name: route },
        spec: { selector: { app: route }, ports: [{ name: 'web', port: 80, targetPort: 'http' }] },
      } as object);
      await untilEndpoint(cluster, route);
      const base = '/api/v1/namespaces/default';
      for (let round = 0; round < 3; round++) {
        assert.equal(await get(cluster, `/api/v1/nodes/${node.name}/proxy/healthz`), 'ok');
        for (const path of [`${base}/pods/${route}/proxy/p`, `${base}/services/${route}:web/proxy/s`]) {
          assert.match(await listening(cluster, path), new RegExp(`^Hello from pod ${route}$`, 'm'));
        }
      }
      const answer = await ask(cluster, `${base}/pods/${route}/proxy/`);
      answer.resume();
      const stretch = {
        direct: 'neither encrypted nor verified',
        tunnel: 'encrypted only as far as node \\"by-tunnel\\"',
      };
      assert.ok(String(answer.headers['warning']).includes(stretch[route]), String(answer.headers['warning']));
    });
  }
});

async function untilEndpoint({ client }: TestCluster, name: string): Promise<void> {
  const labelSelector = `kubernetes.io/service-name=${name}`;
  for await (const event of client.watch(endpointSlices, { namespace: 'default', labelSelector })) {
    if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue;
    const { endpoints = [] } = event.object as { endpoints?: { conditions?: { ready?: boolean } }[] };
    if (endpoints.some(({ conditions }) => conditions?.ready)) return;
  }
}

/** The pod is ready when it runs, a moment before it listens. */
async function listening(cluster: TestCluster, path: string): Promise<string> {
  for (;;) {
    const answer = await get(cluster, path);
    if (!answer.includes('ECONNREFUSED')) return answer;
  }
}

async function get(cluster: TestCluster, path: string): Promise<string> {
  return text(await ask(cluster, path));
}

async function ask({ kubeconfigPath }: TestCluster, path: string): Promise<IncomingMessage> {
  const config = clientConfigOf(await loadKubeconfig({ env: {}, path: kubeconfigPath }));
  const certificate = config.certificate && currentOf(config.certificate);
  return new Promise((resolve, reject) => {
    const credentials = { ca: currentOf(config.ca), cert: certificate?.certificate, key: certificate?.key };
    const asked = request(new URL(path, config.server), { ...credentials, agent: false });
    asked.once('response', resolve);
    asked.once('error', reject);
    asked.end();
  });
}
