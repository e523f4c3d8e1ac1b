import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openMemoryStore } from '../../storage/memory/memory-store.ts';
import { openTestServer, type TestServer } from '../server-suite.ts';

const path = '/api/v1/namespaces/default/services';
/** Six addresses, the first of them the API server's own; five ports. */
const small = { serviceClusterIpRange: '10.0.0.0/29', serviceNodePortRange: { first: 30_000, last: 30_004 } };
const service = (name: string, spec: Record<string, unknown> = {}) => ({
  metadata: { name },
  spec: { ports: [{ port: 80 }], ...spec },
});

let server: TestServer;
before(async () => {
  server = await openTestServer();
});
after(() => server[Symbol.asyncDispose]());

const post = (body: unknown, query = '') => server.request({ method: 'POST', path: path + query, body });
const remove = (name: string) => server.request({ method: 'DELETE', path: `${path}/${name}` });
const merge = (name: string, body: unknown) =>
  server.request({
    method: 'PATCH',
    path: `${path}/${name}`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body,
  });

test('parallel creates get an address and a port each, and none twice', async () => {
  const made = await Promise.all(
    Array.from({ length: 40 }, (_, i) => post(service(`many-${i}`, { type: 'NodePort' }))),
  );
  assert.ok(made.every(({ status }) => status === 201));
  assert.equal(new Set(made.map(({ json }) => json.spec.clusterIP)).size, 40);
  assert.equal(new Set(made.map(({ json }) => json.spec.ports[0].nodePort)).size, 40);
  for (const { json } of made) {
    assert.deepEqual(json.spec.clusterIPs, [json.spec.clusterIP]);
    assert.deepEqual(json.spec.ipFamilies, ['IPv4']);
    assert.equal(json.spec.ipFamilyPolicy, 'SingleStack');
  }
});

test('of parallel wishes for one address one is granted', async () => {
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, i) => post(service(`same-${i}`, { clusterIP: '10.96.0.40' }))),
  );
  assert.deepEqual(made.map(({ status }) => status).sort(), [201, 422, 422, 422, 422, 422, 422, 422]);
  const refused = made.find(({ status }) => status === 422);
  assert.match(
    refused?.json.message,
    /spec\.clusterIPs: Invalid value: \["10\.96\.0\.40"\]: failed to allocate IP 10\.96\.0\.40: provided IP is already allocated$/,
  );
});

test('a refused write, a dry run and a deletion leave nothing taken', async () => {
  const wish = { clusterIP: '10.96.0.41', type: 'NodePort', ports: [{ port: 80, nodePort: 31_000 }] };
  assert.equal((await post(service('gone', { ...wish, sessionAffinity: 'X' }))).status, 422);
  assert.equal((await post(service('gone', wish), '?dryRun=All')).status, 201);
  assert.equal((await post(service('gone', wish))).status, 201);
  assert.equal((await post(service('gone-2', wish))).status, 422);
  assert.equal((await post(service('gone', wish))).status, 422);
  await remove('gone');
  assert.equal((await post(service('gone-2', wish))).status, 201);
});

test('the first address is kept for the API server', async () => {
  const refused = await post(service('first', { clusterIP: '10.96.0.1' }));
  assert.equal(refused.status, 422);
});

test('an update keeps what was allocated, and a change of type gives back what it has no use for', async () => {
  const { json } = await post(service('changes', { type: 'NodePort' }));
  const { clusterIP, ports } = json.spec;
  const put = await server.request({
    method: 'PUT',
    path: `${path}/changes`,
    body: service('changes', { type: 'NodePort', selector: { a: 'b' } }),
  });
  assert.deepEqual([put.json.spec.clusterIP, put.json.spec.ports[0].nodePort], [clusterIP, ports[0].nodePort]);

  const external = await merge('changes', { spec: { type: 'ExternalName', externalName: 'example.com' } });
  assert.equal(external.status, 200, external.json.message);
  assert.equal(external.json.spec.clusterIP, undefined);
  assert.equal(external.json.spec.ports[0].nodePort, undefined);
  const wish = { clusterIP, type: 'NodePort', ports: [{ port: 80, nodePort: ports[0].nodePort }] };
  assert.equal((await post(service('takes-over', wish))).status, 201);

  const back = await merge('changes', { spec: { type: 'ClusterIP', externalName: null } });
  assert.equal(back.status, 200, back.json.message);
  assert.notEqual(back.json.spec.clusterIP, clusterIP);
});

test('one number serves a port of two protocols', async () => {
  const ports = [
    { name: 'a', port: 53, protocol: 'TCP' },
    { name: 'b', port: 53, protocol: 'UDP' },
  ];
  const { json } = await post(service('both', { type: 'NodePort', ports }));
  assert.equal(json.spec.ports[0].nodePort, json.spec.ports[1].nodePort);
});

test('a range ends, and says so; a deletion makes room', async () => {
  await using full = await openTestServer(small);
  const create = (name: string, spec = {}) => full.request({ method: 'POST', path, body: service(name, spec) });
  const made = await Promise.all([1, 2, 3, 4, 5].map((i) => create(`s-${i}`)));
  assert.ok(made.every(({ status }) => status === 201));
  assert.ok(!made.some(({ json }) => json.spec.clusterIP === '10.0.0.1'));
  const refused = await create('s-6');
  assert.deepEqual(
    [refused.status, refused.json.message],
    [500, 'Internal error occurred: failed to allocate a serviceIP for Service "s-6": range is full'],
  );
  await full.request({ method: 'DELETE', path: `${path}/s-3` });
  assert.equal((await create('s-6')).status, 201);
  const outside = await create('out', { clusterIP: 'None', type: 'ClusterIP', ports: [{ port: 80 }] });
  assert.equal(outside.status, 201);
});

test('a server that starts again knows what is taken', async () => {
  await using store = await openMemoryStore();
  const body = service('kept', { clusterIP: '10.0.0.3', type: 'NodePort', ports: [{ port: 80, nodePort: 30_002 }] });
  {
    await using first = await openTestServer(small, store);
    assert.equal((await first.request({ method: 'POST', path, body })).status, 201);
  }
  await using second = await openTestServer(small, store);
  const same = await second.request({ method: 'POST', path, body: { ...body, metadata: { name: 'other' } } });
  assert.equal(same.status, 422);
  const port = service('other', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_002 }] });
  const taken = await second.request({ method: 'POST', path, body: port });
  assert.match(
    taken.json.message,
    /spec\.ports\[0\]\.nodePort: Invalid value: 30002: provided port is already allocated$/,
  );
});

test('metrics count addresses and ports', async () => {
  const { bytes } = await server.request({ path: '/metrics' });
  const text = bytes.toString();
  assert.match(text, /kube_apiserver_clusterip_allocator_allocated_ips\{cidr="10\.96\.0\.0\/12"\} \d+/);
  assert.match(text, /kube_apiserver_nodeport_allocator_allocated_ports \d+/);
});
