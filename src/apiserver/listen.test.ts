import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Endpoints } from '../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../api/kubernetes/discovery-v1.ts';
import { openTestServer, send, type TestServer } from './server-suite.ts';

test('a new server has what every cluster has, and says that it is ready', async () => {
  await using server = await openTestServer();
  const namespaces = (await server.request({ path: '/api/v1/namespaces' })).json;
  assert.deepEqual(namespaces.items.map(nameOf), ['default', 'kube-node-lease', 'kube-public', 'kube-system']);
  const service = (await server.request({ path: '/api/v1/namespaces/default/services/kubernetes' })).json;
  assert.deepEqual([service.spec.clusterIP, service.spec.ports[0].targetPort], ['10.96.0.1', server.api.port]);
  const endpoints = (await server.request({ path: '/api/v1/namespaces/default/endpoints/kubernetes' })).json;
  assert.deepEqual(endpoints.subsets, [
    { addresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'https', port: server.api.port, protocol: 'TCP' }] },
  ]);
  const admin = await server.request({ path: '/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin' });
  assert.equal(admin.status, 200);
  const ready = await server.anonymous({ path: '/readyz?verbose&exclude=log&exclude=nothing' });
  assert.equal(ready.status, 200);
  assert.match(ready.bytes.toString(), /^\[\+\]ping ok\n\[\+\]log excluded: ok\n/);
  assert.match(ready.bytes.toString(), /no matches for "nothing"\nreadyz check passed\n$/);
  assert.equal((await server.anonymous({ path: '/livez/etcd' })).status, 401, 'single checks are not for everybody');
  assert.equal((await server.request({ path: '/livez/etcd' })).bytes.toString(), 'ok');
});

test('strangers read health alone by default', async () => {
  await using server = await openTestServer();
  for (const path of ['/livez', '/readyz', '/healthz']) {
    assert.equal((await server.anonymous({ path })).status, 200, path);
  }
  for (const path of ['/version', '/api/v1/pods', '/metrics', '/']) {
    assert.equal((await server.anonymous({ path })).status, 401, path);
  }
});

test('with anonymous access on, strangers have the rights of strangers', async () => {
  await using server = await openTestServer({ anonymousAuth: true });
  for (const path of ['/livez', '/readyz', '/healthz', '/version']) {
    assert.equal((await server.anonymous({ path })).status, 200, path);
  }
  const refused = await server.anonymous({ path: '/api/v1/namespaces/default/pods' });
  assert.equal(refused.status, 403);
  assert.equal(refused.headers['x-content-type-options'], 'nosniff');
  assert.deepEqual(refused.json, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message:
      'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default"',
    reason: 'Forbidden',
    details: { kind: 'pods' },
    code: 403,
  });
  const metrics = await server.anonymous({ path: '/metrics' });
  assert.equal(metrics.json.message, 'forbidden: User "system:anonymous" cannot get path "/metrics"');
});

test('wrong credentials are 401, and the connection ends after it', async () => {
  await using server = await openTestServer();
  const stranger = connectH2(server.api.url, { ca: server.caPem });
  const closed = once(stranger, 'close');
  const answer = await send(stranger, { path: '/api/v1/pods', headers: { authorization: 'Bearer nonsense' } });
  assert.deepEqual([answer.status, answer.json.reason, answer.json.message], [401, 'Unauthorized', 'Unauthorized']);
  await closed;
});

test('open anonymous access and everything allowed are not to be had together', async () => {
  await assert.rejects(openTestServer({ authorizationModes: ['AlwaysAllow'], anonymousAuth: true }), {
    name: 'ConfigError',
  });
  await using server = await openTestServer({ authorizationModes: ['AlwaysAllow'] });
  assert.equal((await server.anonymous({ path: '/version' })).status, 401);
});

test('an administrator may act as somebody else, who then has their own rights', async () => {
  await using server = await openTestServer();
  const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'system:authenticated' };
  const refused = await server.request({ path: '/api/v1/pods', headers });
  assert.match(refused.json.message, /^pods is forbidden: User "jane" cannot list/);
  const whoami = await server.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    headers,
    body: {},
  });
  assert.equal(whoami.json.status.userInfo.username, 'jane');
});

test('more requests at once than allowed are told to come again', async () => {
  await using server = await openTestServer({ maxRequestsInflight: 0 });
  const headers = { 'impersonate-user': 'jane' };
  const answer = await server.request({ path: '/version', headers });
  assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '1']);
  assert.equal(answer.bytes.toString(), 'Too many requests, please try again later.');
  assert.equal((await server.request({ path: '/version' })).status, 200, 'administrators are not limited');
});

test('discovery comes in the form that the client asks for', async () => {
  await using server = await openTestServer();
  const legacy = (await server.request({ path: '/apis' })).json;
  assert.equal(legacy.kind, 'APIGroupList');
  for (const version of ['v2', 'v2beta1']) {
    const accept = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList,application/json`;
    const answer = await server.request({ path: '/apis', headers: { accept } });
    assert.equal(
      answer.headers['content-type'],
      `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    );
    assert.equal(answer.json.apiVersion, `apidiscovery.k8s.io/${version}`);
    const etag = String(answer.headers['etag']);
    const again = await server.request({ path: '/apis', headers: { accept, 'if-none-match': etag } });
    assert.deepEqual([again.status, again.bytes.length], [304, 0]);
  }
  const list = (await server.request({ path: '/apis/apps/v1' })).json;
  const scale = list.resources.find(({ name }: { name: string }) => name === 'deployments/scale');
  assert.deepEqual([scale.group, scale.version, scale.kind], ['autoscaling', 'v1', 'Scale']);
  const version = (await server.request({ path: '/version' })).json;
  assert.equal(version.gitVersion, 'v1.36.1');
});

test('metrics have upstream names, and no label that a client made up', async () => {
  await using server = await openTestServer();
  await server.request({ path: '/api/v1/namespaces' });
  await server.request({ path: '/apis/made.up/v1/things' });
  const text = (await server.request({ path: '/metrics' })).bytes.toString();
  assert.match(
    text,
    /^apiserver_request_total\{component="apiserver",dry_run="",group="",resource="namespaces",scope="cluster",subresource="",verb="LIST",version="v1",code="200"\} 1$/m,
  );
  assert.match(text, /^apiserver_storage_objects\{resource="namespaces"\} 4$/m);
  assert.match(text, /^apiserver_request_duration_seconds_count\{/m);
  assert.doesNotMatch(text, /made\.up/);
});

test('scale reads and writes the replicas of a workload', async () => {
  await using server = await openTestServer();
  const path = '/apis/apps/v1/namespaces/default/deployments';
  const labels = { app: 'web' };
  const containers = [{ name: 'c', image: 'i' }];
  const deployment = {
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  };
  assert.equal((await server.request({ method: 'POST', path, body: deployment })).json.metadata.generation, 1);
  const scale = (await server.request({ path: `${path}/web/scale` })).json;
  assert.deepEqual(
    [scale.kind, scale.spec, scale.status],
    ['Scale', { replicas: 1 }, { replicas: 0, selector: 'app=web' }],
  );
  const put = await server.request({
    method: 'PUT',
    path: `${path}/web/scale`,
    body: { ...scale, spec: { replicas: 3 } },
  });
  assert.deepEqual(put.json.spec, { replicas: 3 });
  const patched = await server.request({
    method: 'PATCH',
    path: `${path}/web/scale`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { spec: { replicas: 5 } },
  });
  assert.equal(patched.status, 200);
  const stale = await server.request({ method: 'PUT', path: `${path}/web/scale`, body: scale });
  assert.equal(stale.status, 409);
  const after = (await server.request({ path: `${path}/web` })).json;
  assert.deepEqual([after.spec.replicas, after.metadata.generation], [5, 3]);
});

test('the status subresource changes status alone, and the resource everything but status', async () => {
  await using server = await openTestServer();
  const path = '/apis/apps/v1/namespaces/default/replicasets';
  const labels = { app: 'web' };
  const spec = {
    replicas: 2,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  };
  const created = (
    await server.request({ method: 'POST', path, body: { metadata: { name: 'web' }, spec, status: { replicas: 9 } } })
  ).json;
  assert.notEqual(created.status?.replicas, 9);
  const changed = { ...created, spec: { ...created.spec, replicas: 7 }, status: { replicas: 2 } };
  const status = (await server.request({ method: 'PUT', path: `${path}/web/status`, body: changed })).json;
  assert.deepEqual([status.status.replicas, status.spec.replicas, status.metadata.generation], [2, 2, 1]);
  const main = (
    await server.request({
      method: 'PUT',
      path: `${path}/web`,
      body: { ...status, spec: { ...status.spec, replicas: 4 }, status: {} },
    })
  ).json;
  assert.deepEqual([main.status.replicas, main.spec.replicas, main.metadata.generation], [2, 4, 2]);
});

test('a path that could mean two things is a 400 on both protocols', async () => {
  await using server = await openTestServer();
  const answer = await server.request({ path: '/api/v1/namespaces/default/../kube-system/secrets' });
  assert.deepEqual([answer.status, answer.json.reason], [400, 'BadRequest']);
  const { caPem, admin, api } = server;
  const socket = connectTls({
    host: api.host,
    port: api.port,
    ca: caPem,
    cert: admin.certificatePem,
    key: admin.privateKeyPem,
  });
  await once(socket, 'secureConnect');
  socket.end('GET /api/v1/namespaces/a%2fb/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 400 /);
});

test('an upgrade that nobody takes is answered as any other request', async () => {
  await using server = await openTestServer();
  const { caPem, admin, api } = server;
  const socket = connectTls({
    host: api.host,
    port: api.port,
    ca: caPem,
    cert: admin.certificatePem,
    key: admin.privateKeyPem,
  });
  await once(socket, 'secureConnect');
  socket.write('GET /version HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  assert.match(Buffer.concat(chunks).toString(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*v1\.36\.1/);
});

test('a second start on the same store writes nothing but that it is alive', async () => {
  await using first = await openTestServer();
  const { port } = first.api;
  const { revision } = first.store;
  await first.api[Symbol.asyncDispose]();
  await using second = await openTestServer({ port }, first.store);
  assert.equal((await second.anonymous({ path: '/readyz' })).status, 200);
  const { entries } = await first.store.range({ start: '/registry/', end: '/registry0' });
  const written = entries.filter(({ modRevision }) => modRevision > revision);
  assert.deepEqual(
    written.map(({ key }) => key),
    ['/registry/masterleases/127.0.0.1'],
  );
});

test('the kubernetes Service has every server that is alive behind it, and none that has gone', async () => {
  const addressesOf = (server: TestServer) =>
    server.api.objects
      .get<EndpointSlice>('endpointslices.discovery.k8s.io', { namespace: 'default', name: 'kubernetes' })
      ?.endpoints?.flatMap(({ addresses }) => addresses);
  await using first = await openTestServer();
  await first.api.ready;
  const { port, host } = first.api;
  {
    await using second = await openTestServer({ host: '127.0.0.2', port }, first.store);
    await second.api.ready;
    assert.deepEqual(addressesOf(second), [host, '127.0.0.2']);
    // A third that died without a word stays until its lease has expired.
    await first.store.put('/registry/masterleases/127.0.0.3', Buffer.from('{}'));
  }
  const endpoints = first.api.objects.get<Endpoints>('endpoints', { namespace: 'default', name: 'kubernetes' });
  const remaining = endpoints?.subsets?.flatMap(({ addresses = [] }) => addresses.map(({ ip }) => ip));
  assert.deepEqual(remaining, [host, '127.0.0.3'], 'the second said goodbye, the third has not expired');
});

function nameOf(object: { metadata: { name: string } }): string {
  return object.metadata.name;
}
