import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { ConfigMap } from '../api/kubernetes/core-v1.ts';
import { type ClusterPki, openClusterPki } from '../pki/authority.ts';
import { type ClientConfig, connectApi } from './connect.ts';
import { configMaps } from './resources.ts';

interface Seen {
  method: string;
  path: string;
  authorization: string | undefined;
  subject: string | undefined;
  body: string;
  session: ServerHttp2Session;
}

type Answer = (stream: ServerHttp2Stream, seen: Seen) => void;

interface TestServer extends AsyncDisposable {
  config: ClientConfig;
  pki: ClusterPki;
  seen: Seen[];
  sessions: Set<ServerHttp2Session>;
}

const ref = { namespace: 'default', name: 'a' };

function answerJson(stream: ServerHttp2Stream, status: number, body: unknown, headers: Record<string, string> = {}) {
  stream.respond({ ':status': status, 'content-type': 'application/json', ...headers });
  stream.end(JSON.stringify(body));
}

async function listen(answer: Answer, { dnsNames = ['localhost'] } = {}): Promise<TestServer> {
  const pki = await openClusterPki();
  const serving = await pki.cluster.issue({
    commonName: 'kube-apiserver',
    dnsNames,
    ipAddresses: ['127.0.0.1'],
    usages: ['server'],
  });
  const server: Http2SecureServer = createSecureServer({
    cert: serving.certificatePem,
    key: serving.privateKeyPem,
    ca: pki.cluster.certificatePem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  const seen: Seen[] = [];
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {}).on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    const session = stream.session as ServerHttp2Session | undefined;
    if (!session) return;
    let body = '';
    stream.on('error', () => {}).on('data', (chunk: Buffer) => (body += chunk.toString()));
    const peer = (session.socket as TLSSocket).getPeerCertificate();
    const method = String(headers[':method']);
    const request = {
      method,
      path: String(headers[':path']),
      authorization: headers.authorization,
      subject: peer.subject?.CN as string | undefined,
      session,
    };
    stream.on('end', () => {
      const one = { ...request, body };
      seen.push(one);
      answer(stream, one);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    config: { server: `https://127.0.0.1:${port}`, ca: pki.cluster.certificatePem },
    pki,
    seen,
    sessions,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('objects are written with their type and read back', async () => {
  await using server = await listen((stream, { body }) => answerJson(stream, 201, JSON.parse(body)));
  await using client = connectApi({ ...server.config, token: () => 'secret' });
  const created = await client.create<ConfigMap>(configMaps, { metadata: ref, data: { k: 'v' } });
  assert.equal(created.kind, 'ConfigMap');
  const [{ method, path, authorization } = {} as Seen] = server.seen;
  assert.deepEqual([method, path, authorization], ['POST', '/api/v1/namespaces/default/configmaps', 'Bearer secret']);
});

test("the server's Status is thrown as an ApiError with its reason and code", async () => {
  const status = { kind: 'Status', message: 'configmaps "a" not found', reason: 'NotFound', code: 404 };
  await using server = await listen((stream) => answerJson(stream, 404, status));
  await using client = connectApi(server.config);
  await assert.rejects(client.get(configMaps, ref), {
    name: 'ApiError',
    reason: 'NotFound',
    code: 404,
    message: status.message,
  });
});

test('a server whose certificate is of another authority is refused before anything is sent', async () => {
  await using server = await listen((stream) => answerJson(stream, 200, {}));
  const other = await openClusterPki();
  await using client = connectApi({ ...server.config, ca: other.cluster.certificatePem, token: 'secret' });
  await assert.rejects(client.get(configMaps, ref), { name: 'ConnectionError', phase: 'connect' });
  assert.equal(server.seen.length, 0);
});

test('a server whose certificate has another name is refused', async () => {
  await using server = await listen((stream) => answerJson(stream, 200, {}), { dnsNames: ['other.example'] });
  await using client = connectApi({ ...server.config, serverName: 'api.example' });
  await assert.rejects(client.get(configMaps, ref), { name: 'ConnectionError', phase: 'connect' });
  await using named = connectApi({ ...server.config, serverName: 'other.example' });
  assert.deepEqual(await named.get(configMaps, ref), {});
});

test('plain HTTP is refused', () => {
  assert.throws(() => connectApi({ server: 'http://127.0.0.1:8080', ca: '' }), { name: 'ConfigError' });
});

test('calls share one connection, and a changed certificate opens a new one without failing the call in flight', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await using server = await listen((stream, { path, subject }) => {
    if (path.endsWith('/slow')) void held.then(() => answerJson(stream, 200, { metadata: { name: subject } }));
    else answerJson(stream, 200, { metadata: { name: subject } });
  });
  const issue = async (commonName: string) => {
    const { certificatePem, privateKeyPem } = await server.pki.cluster.issue({ commonName, usages: ['client'] });
    return { certificate: certificatePem, key: privateKeyPem };
  };
  let certificate = await issue('first');
  await using client = connectApi({ ...server.config, certificate: () => certificate });
  const slow = client.get(configMaps, { ...ref, name: 'slow' });
  assert.equal((await client.get(configMaps, ref)).metadata?.name, 'first');
  assert.equal(server.sessions.size, 1);
  certificate = await issue('second');
  assert.equal((await client.get(configMaps, ref)).metadata?.name, 'second');
  release();
  assert.equal((await slow).metadata?.name, 'first');
});

test('an answer with Retry-After is tried again, one without is not', async () => {
  let calls = 0;
  await using server = await listen((stream, { path }) => {
    calls++;
    if (path.endsWith('/no')) answerJson(stream, 503, {});
    else answerJson(stream, calls === 1 ? 429 : 200, {}, calls === 1 ? { 'retry-after': '0' } : {});
  });
  await using client = connectApi(server.config);
  await client.get(configMaps, ref);
  assert.equal(calls, 2);
  await assert.rejects(client.get(configMaps, { ...ref, name: 'no' }), { name: 'ApiError', code: 503 });
  assert.equal(calls, 3);
});

test('a GET whose connection breaks is sent again; a POST is not', async () => {
  await using server = await listen((stream, { session }) => {
    if (server.seen.length % 2 === 1) session.destroy();
    else answerJson(stream, 200, {});
  });
  await using client = connectApi(server.config);
  await client.get(configMaps, ref);
  assert.equal(server.seen.length, 2);
  await assert.rejects(client.create(configMaps, { metadata: ref }), { name: 'ConnectionError', phase: 'broken' });
  assert.equal(server.seen.length, 3);
});

test('after GOAWAY the stream in flight finishes and the next call takes a new connection', async () => {
  let finish = () => {};
  await using server = await listen((stream, { path, session }) => {
    if (!path.endsWith('/slow')) return answerJson(stream, 200, {});
    session.goaway();
    finish = () => answerJson(stream, 200, { metadata: { name: 'slow' } });
  });
  await using client = connectApi(server.config);
  const slow = client.get(configMaps, { ...ref, name: 'slow' });
  while (server.seen.length === 0) await new Promise(setImmediate);
  await client.get(configMaps, ref);
  finish();
  assert.equal((await slow).metadata?.name, 'slow');
  assert.notEqual(server.seen[0]?.session, server.seen[1]?.session);
});

test('a call that gets no answer ends at its deadline', async () => {
  await using server = await listen(() => {});
  await using client = connectApi(server.config);
  await assert.rejects(client.get(configMaps, ref, { timeoutMs: 20 }), { name: 'ConnectionError', phase: 'timeout' });
  const controller = new AbortController();
  const call = client.get(configMaps, ref, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(call, { message: 'enough' });
});

test('a watch gives events however they are cut, and ends with the server', async () => {
  const event = (name: string) => `${JSON.stringify({ type: 'ADDED', object: { metadata: { name } } })}\n`;
  await using server = await listen((stream) => {
    stream.respond({ ':status': 200 });
    for (const byte of Buffer.from(event('größe') + event('b'))) stream.write(Buffer.of(byte));
    stream.end();
  });
  await using client = connectApi(server.config);
  const names: unknown[] = [];
  for await (const { object } of client.watch(configMaps, { resourceVersion: '1' })) names.push(object.metadata?.name);
  assert.deepEqual(names, ['größe', 'b']);
});

test('a watch that is cut off throws, and one that is rotated ends', async () => {
  await using server = await listen((stream) => {
    stream.respond({ ':status': 200 });
    stream.write('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"1"}}}\n');
  });
  await using client = connectApi(server.config);
  const rotated = client.watch(configMaps, {})[Symbol.asyncIterator]();
  await rotated.next();
  client.rotate();
  assert.deepEqual(await rotated.next(), { value: undefined, done: true });
  const cut = client.watch(configMaps, {})[Symbol.asyncIterator]();
  await cut.next();
  server.seen.at(-1)?.session.destroy();
  await assert.rejects(cut.next(), { name: 'ConnectionError', phase: 'broken' });
});
