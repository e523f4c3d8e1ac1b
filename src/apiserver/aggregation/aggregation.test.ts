import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { dialDirect } from '../../egress/direct.ts';
import { openClusterPki } from '../../pki/authority.ts';
import { ensureFrontProxyCertificate } from '../../pki/control-plane-certificates.ts';
import { openTestServer, type TestServer } from '../server-suite.ts';
import { pretendPod, registerFruit, startExtension, type TestExtension, unregisterFruit } from './extension-suite.ts';

const berries = '/apis/fruit.example/v1/namespaces/default/berries';
let server: TestServer;
let extension: TestExtension & { readonly port: number };
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let upgrade: (request: IncomingMessage, socket: Duplex) => void;
const resources = new AsyncDisposableStack();

before(async () => {
  const pki = await openClusterPki();
  const { certificatePem, privateKeyPem } = await ensureFrontProxyCertificate(pki);
  const proxyClient = { certificatePem, keyPem: privateKeyPem };
  extension = resources.use(
    await startExtension(
      (request, response) => answer(request, response),
      (request, socket) => upgrade(request, socket),
    ),
  );
  server = resources.use(await openTestServer({ proxyClient }, undefined, { dial: dialDirect }));
  await pretendPod(server, extension.port);
  await registerFruit(server, extension);
});
after(() => resources.disposeAsync());

const last = () => extension.requests.at(-1);

test('a request goes on with path, query and body, and with the front proxy’s word instead of credentials', async () => {
  let body = '';
  answer = (request, response) => {
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => response.writeHead(201, { 'x-fruit': 'yes', 'set-cookie': 'a=b' }).end('made'));
  };
  const { status, headers, bytes } = await server.request({
    method: 'POST',
    path: `${berries}?fieldManager=me%20too`,
    headers: {
      'content-type': 'application/json',
      cookie: 'session=1',
      'x-remote-user': 'somebody',
      'x-remote-group': 'system:masters',
      'x-remote-extra-secret': '1',
      x_remote_user: 'somebody',
    },
    body: { a: 1 },
  });
  assert.deepEqual([status, bytes.toString(), body], [201, 'made', '{"a":1}']);
  assert.equal(headers['x-fruit'], 'yes');
  assert.equal(headers['set-cookie'], undefined);
  const seen = last();
  assert.equal(seen?.url, `${berries}?fieldManager=me%20too`);
  assert.equal(seen?.headers['x-remote-user'], 'kubernetes-admin');
  assert.equal(seen?.headers['x-remote-group'], 'system:masters, system:authenticated');
  assert.equal(seen?.headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(seen?.headers.host, 'fruit.default.svc:443');
  for (const name of ['authorization', 'cookie', 'x-remote-extra-secret', 'x_remote_user']) {
    assert.equal(seen?.headers[name], undefined, name);
  }
});

test('answers come as they are, errors and empty ones too', async () => {
  answer = (_request, response) => response.writeHead(418, { 'content-type': 'text/x' }).end('teapot');
  const refused = await server.request({ path: berries });
  assert.deepEqual(
    [refused.status, refused.headers['content-type'], refused.bytes.toString()],
    [418, 'text/x', 'teapot'],
  );
  answer = (_request, response) => response.writeHead(204).end();
  assert.equal((await server.request({ method: 'DELETE', path: `${berries}/a` })).status, 204);
});

test('a redirect is an error, and nobody is sent anywhere', async () => {
  answer = (_request, response) => response.writeHead(307, { location: 'https://elsewhere/' }).end();
  const { status, headers, bytes } = await server.request({ path: berries });
  assert.equal(status, 502);
  assert.equal(headers['location'], undefined);
  assert.equal(bytes.toString(), 'the backend attempted to redirect this request, which is not permitted\n');
});

test('a watch is passed on as it comes, and ended at the backend when the client leaves', async () => {
  let gone: Promise<unknown> | undefined;
  answer = (_request, response) => {
    gone = once(response, 'close');
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"type":"ADDED","object":{}}\n');
  };
  const watch = await server.watch(`${berries}?watch=1`);
  assert.equal((await watch.next()).type, 'ADDED');
  watch[Symbol.dispose]();
  await gone;
});

test('an answer that breaks off is seen as that', async () => {
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('begin');
    setImmediate(() => response.destroy());
  };
  const { bytes } = await server.request({ path: berries }).catch(() => ({ bytes: Buffer.alloc(0) }));
  assert.ok(bytes.length < 100);
});

test('a backend that closes on a request is a 503 that names it', async () => {
  answer = (_request, response) => response.destroy();
  const { status, bytes } = await server.request({ path: berries });
  assert.equal(status, 503);
  assert.match(
    bytes.toString(),
    /^error trying to reach service: socket hang up \(pod default\/fruit at 127\.64\.77\.2:\d+, node node-1\)\n$/,
  );
});

/** An upgrade over HTTP/1.1 as the administrator. */
function ask(path: string): Promise<{ status: number; socket?: Duplex; body: string }> {
  const { admin, caPem, api } = server;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(`${api.url}${path}`, {
      ca: caPem,
      cert: admin.certificatePem,
      key: admin.privateKeyPem,
      agent: false,
      headers: { connection: 'upgrade', upgrade: 'echo', 'x-remote-user': 'somebody' },
    });
    request.on('upgrade', (response, socket) => resolve({ status: response.statusCode ?? 0, socket, body: '' }));
    request.on('response', async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, body });
    });
    request.on('error', reject);
    request.end();
  });
}

test('an upgrade is passed on, and then bytes both ways', async () => {
  upgrade = (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.pipe(socket);
  };
  const { status, socket } = await ask(`${berries}/a/connect`);
  assert.equal(status, 101);
  assert.ok(socket);
  socket.write('hello');
  assert.equal(String((await once(socket, 'data'))[0]), 'hello');
  socket.destroy();
  const seen = extension.upgrades.at(-1)?.request.headers;
  assert.equal(seen?.['x-remote-user'], 'kubernetes-admin');
  assert.equal(seen?.upgrade, 'echo');
});

test('a refused upgrade is passed on and both connections end', async () => {
  let ended: Promise<unknown> | undefined;
  upgrade = (_request, socket) => {
    ended = once(socket, 'close');
    socket.resume();
    socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope');
  };
  const { status, body } = await ask(`${berries}/a/connect`);
  assert.deepEqual([status, body], [403, 'nope']);
  await ended;
});

test('an upgrade that is neither taken nor refused is an error', async () => {
  upgrade = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  const { status, body } = await ask(`${berries}/a/connect`);
  assert.deepEqual([status, body], [500, 'invalid upgrade response: status code 200\n']);
});

test('discovery has it, aggregated and legacy, with subresources below their resource', async () => {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { json } = await server.request({ path: '/apis', headers: { accept } });
  const group = json.items.find(({ metadata }: { metadata: { name: string } }) => metadata.name === 'fruit.example');
  assert.deepEqual(group.versions, [
    {
      version: 'v1',
      resources: [
        {
          resource: 'berries',
          responseKind: { group: '', version: '', kind: 'Berry' },
          scope: 'Namespaced',
          singularResource: 'berry',
          verbs: ['get', 'list'],
          subresources: [
            {
              subresource: 'scale',
              responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' },
              verbs: ['get'],
            },
          ],
        },
      ],
      freshness: 'Current',
    },
  ]);
  const names = (await server.request({ path: '/apis' })).json.groups.map(({ name }: { name: string }) => name);
  assert.equal(names.at(-1), 'fruit.example');
  const { json: legacy } = await server.request({ path: '/apis/fruit.example' });
  assert.deepEqual(legacy.preferredVersion, { groupVersion: 'fruit.example/v1', version: 'v1' });
  assert.equal((await server.request({ path: '/apis/fruit.example/v1' })).json.kind, 'APIResourceList');
  assert.equal((await server.request({ path: '/apis/fruit.example/v2' })).status, 404);
});

test('the certificate is verified before anything is said, unless its owner asked for less, with a warning', async () => {
  const { cluster } = await openClusterPki();
  await unregisterFruit(server);
  const wrong = Buffer.from(cluster.certificatePem).toString('base64');
  const { reason, message } = await registerFruit(server, { caBundle: wrong, expect: 'False' });
  assert.equal(reason, 'FailedDiscoveryCheck');
  assert.match(
    message,
    /x509: certificate signed by unknown authority: the caBundle does not cover it \(pod default\/fruit/,
  );
  const asked = extension.requests.length;
  const { status, bytes, headers } = await server.request({ path: berries });
  assert.deepEqual([status, bytes.toString()], [503, 'service unavailable\n']);
  assert.match(String(headers['warning']), /APIService v1\.fruit\.example is not available: FailedDiscoveryCheck/);
  assert.equal(extension.requests.length, asked);
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
  const { json } = await server.request({ path: '/apis', headers: { accept } });
  assert.equal(json.items.at(-1).versions[0].freshness, 'Stale');
  await unregisterFruit(server);

  await registerFruit(server, { caBundle: '', spec: { insecureSkipTLSVerify: true } });
  answer = (_request, response) => response.end('fine');
  assert.equal((await server.request({ path: berries })).bytes.toString(), 'fine');
  await unregisterFruit(server);
});

test('what is missing is told by upstream’s reasons', async () => {
  const { caBundle } = extension;
  const service = (name: string, port = 443) => ({ service: { namespace: 'default', name, port } });
  const cases: [spec: object, reason: string, message: string][] = [
    [service('none'), 'ServiceNotFound', 'service/none in "default" is not present'],
    [service('fruit', 80), 'ServicePortError', 'service/fruit in "default" is not listening on port 80'],
    [service('kubernetes'), 'FailedDiscoveryCheck', ''],
  ];
  for (const [spec, reason, message] of cases) {
    const condition = await registerFruit(server, { caBundle, expect: 'False', spec });
    assert.equal(condition.reason, reason);
    if (message !== '') assert.equal(condition.message, message);
    await unregisterFruit(server);
  }
  const metrics = (await server.request({ path: '/metrics' })).bytes.toString();
  assert.match(
    metrics,
    /^aggregator_unavailable_apiservice_total\{name="v1\.fruit\.example",reason="ServiceNotFound"\} 1$/m,
  );
});

test('built-in group-versions are registered as local ones and stay here', async () => {
  const path = '/apis/apiregistration.k8s.io/v1/apiservices';
  const { json } = await server.request({ path: `${path}/v1.apps` });
  assert.deepEqual(json.spec, { group: 'apps', version: 'v1', groupPriorityMinimum: 17_800, versionPriority: 15 });
  assert.equal(json.metadata.labels['kube-aggregator.kubernetes.io/automanaged'], 'onstart');
  const [{ type, status, reason, message }] = json.status.conditions;
  assert.deepEqual(
    [type, status, reason, message],
    ['Available', 'True', 'Local', 'Local APIServices are always available'],
  );
});

test('registrations that make no sense are refused', async () => {
  const path = '/apis/apiregistration.k8s.io/v1/apiservices';
  const { status, json } = await server.request({
    method: 'POST',
    path,
    body: {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'wrong' },
      spec: {
        group: 'fruit.example',
        version: 'v1',
        groupPriorityMinimum: 0,
        versionPriority: 1001,
        insecureSkipTLSVerify: true,
      },
    },
  });
  assert.equal(status, 422);
  const messages = json.details.causes.map(
    ({ field, message }: { field: string; message: string }) => `${field}: ${message}`,
  );
  assert.deepEqual(messages, [
    'metadata.name: Invalid value: "wrong": must be `spec.version+"."+spec.group`: "v1.fruit.example"',
    'spec.groupPriorityMinimum: Invalid value: 0: must be positive and less than 20000',
    'spec.versionPriority: Invalid value: 1001: must be positive and less than 1000',
    'spec.insecureSkipTLSVerify: Invalid value: true: local APIServices may not have insecureSkipTLSVerify',
  ]);
});
