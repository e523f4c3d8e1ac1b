import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { openClusterPki } from '../../pki/authority.ts';
import type { TestServer } from '../server-suite.ts';

export interface TestExtension extends AsyncDisposable {
  readonly caBundle: string;
  readonly requests: IncomingMessage[];
  readonly upgrades: { readonly request: IncomingMessage; readonly socket: Duplex }[];
}

const address = '127.64.77.2';
const pki = openClusterPki();

/** An extension API server for `fruit.example/v1` on an address that a pod could have; `answer` is asked about all but what availability needs. */
export async function startExtension(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  upgrade: (request: IncomingMessage, socket: Duplex) => void = (_request, socket) => void socket.destroy(),
): Promise<TestExtension & { readonly port: number }> {
  const { cluster } = await pki;
  const { certificatePem, privateKeyPem } = await cluster.issue({
    commonName: 'fruit',
    dnsNames: ['fruit.default.svc'],
    usages: ['server'],
  });
  const requests: IncomingMessage[] = [];
  const upgrades: TestExtension['upgrades'] = [];
  const server = createServer({
    cert: certificatePem,
    key: privateKeyPem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/apis/fruit.example/v1') {
      const verbs = ['get', 'list'];
      const resources = [
        { name: 'berries', singularName: 'berry', namespaced: true, kind: 'Berry', verbs },
        { name: 'berries/scale', namespaced: true, group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: ['get'] },
      ];
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ kind: 'APIResourceList', groupVersion: 'fruit.example/v1', resources }));
      return;
    }
    if (request.url?.startsWith('/openapi/')) {
      response.writeHead(404).end();
      return;
    }
    requests.push(request);
    answer(request, response);
  });
  const sockets = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    sockets.add(socket);
    upgrades.push({ request, socket });
    upgrade(request, socket);
  });
  server.listen(0, address);
  await once(server, 'listening');
  return {
    caBundle: Buffer.from(cluster.certificatePem).toString('base64'),
    port: (server.address() as AddressInfo).port,
    requests,
    upgrades,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Makes the node, the pod and the Service that the extension seems to be. */
export async function pretendPod(server: TestServer, port: number): Promise<void> {
  const namespaced = '/api/v1/namespaces/default';
  const post = async (path: string, body: object) => {
    const { status, bytes } = await server.request({ method: 'POST', path, body });
    assert.equal(status, 201, bytes.toString());
  };
  await post('/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node-1' },
    spec: { podCIDR: '127.64.77.0/24', podCIDRs: ['127.64.77.0/24'] },
  });
  await post(`${namespaced}/serviceaccounts`, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default' },
  });
  await post(`${namespaced}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'fruit' },
    spec: {
      nodeName: 'node-1',
      automountServiceAccountToken: false,
      containers: [{ name: 'fruit', image: 'fruit' }],
    },
  });
  const status = { phase: 'Running', podIP: address, podIPs: [{ ip: address }] };
  const patched = await server.request({
    method: 'PATCH',
    path: `${namespaced}/pods/fruit/status`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { status },
  });
  assert.equal(patched.status, 200, patched.bytes.toString());
  await post(`${namespaced}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'fruit' },
    spec: { ports: [{ port: 443, targetPort: port }] },
  });
  await post('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'fruit-1', labels: { 'kubernetes.io/service-name': 'fruit' } },
    addressType: 'IPv4',
    ports: [{ name: '', port, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: [address],
        conditions: { ready: true },
        nodeName: 'node-1',
        targetRef: { kind: 'Pod', namespace: 'default', name: 'fruit' },
      },
    ],
  });
}

/** Registers `fruit.example/v1` and waits for what is found out about it. */
export async function registerFruit(
  server: TestServer,
  { caBundle, expect = 'True', spec = {} }: { caBundle: string; expect?: 'True' | 'False'; spec?: object },
): Promise<{ reason: string; message: string }> {
  const path = '/apis/apiregistration.k8s.io/v1/apiservices';
  using changes = await server.watch(`${path}?watch=1&fieldSelector=metadata.name=v1.fruit.example`);
  const { status, bytes } = await server.request({
    method: 'POST',
    path,
    body: {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1.fruit.example' },
      spec: {
        group: 'fruit.example',
        version: 'v1',
        groupPriorityMinimum: 1000,
        versionPriority: 15,
        service: { namespace: 'default', name: 'fruit' },
        caBundle,
        ...spec,
      },
    },
  });
  assert.equal(status, 201, bytes.toString());
  for (let event = await changes.next(); event; event = await changes.next()) {
    const condition = event.object.status?.conditions?.find(({ type }: { type: string }) => type === 'Available');
    if (condition?.status === expect) return condition;
  }
  throw new Error('the watch has ended');
}

export async function unregisterFruit(server: TestServer): Promise<void> {
  await server.request({ method: 'DELETE', path: '/apis/apiregistration.k8s.io/v1/apiservices/v1.fruit.example' });
}
