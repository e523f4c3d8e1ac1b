import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { dialDirect } from '../../egress/direct.ts';
import { openClusterPki } from '../../pki/authority.ts';
import type { Dial } from '../../stream/dial.ts';
import type { Backend } from './backend.ts';
import { BackendPool } from './backend-pool.ts';
import { readAnswer } from './read-answer.ts';

const authority = openClusterPki().then(({ cluster }) => cluster);

async function serve(): Promise<{ server: Server; backend: Backend; sockets: TLSSocket[] } & AsyncDisposable> {
  const ca = await authority;
  const { certificatePem, privateKeyPem } = await ca.issue({
    commonName: 's',
    dnsNames: ['s.x.svc'],
    usages: ['server'],
  });
  const server = createServer({ cert: certificatePem, key: privateKeyPem }, (request, response) => {
    request.resume();
    request.on('end', () => response.end(request.url));
  });
  const sockets: TLSSocket[] = [];
  server.on('secureConnection', (socket) => sockets.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    sockets,
    backend: {
      host: '127.0.0.1',
      port,
      node: 'node-1',
      network: 'cluster',
      title: 'pod x/s',
      serverName: 's.x.svc',
      authority: 's.x.svc:443',
      caPem: ca.certificatePem,
      verify: true,
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const signal = new AbortController().signal;

async function get(pool: BackendPool, backend: Backend, path: string): Promise<string> {
  const response = await pool.request(backend, { method: 'POST', path, headers: {}, body: Buffer.from('x'), signal });
  return (await readAnswer(response, { maxBytes: 100 })).toString();
}

test('a connection is used again, and a resting one that the server has closed costs nobody a request', async () => {
  await using bed = await serve();
  using pool = new BackendPool({ dial: dialDirect });
  assert.equal(await get(pool, bed.backend, '/1'), '/1');
  assert.equal(await get(pool, bed.backend, '/2'), '/2');
  assert.equal(bed.sockets.length, 1);
  bed.sockets[0]?.destroy();
  assert.equal(await get(pool, bed.backend, '/3'), '/3');
  assert.equal(bed.sockets.length, 2);
});

test('no more requests at once than the bound, and none is lost', async () => {
  await using bed = await serve();
  let open = 0;
  let most = 0;
  bed.server.on('request', (_request, response) => {
    most = Math.max(most, ++open);
    response.on('close', () => open--);
  });
  using pool = new BackendPool({ dial: dialDirect, maxRequests: 2 });
  const paths = Array.from({ length: 20 }, (_, i) => `/${i}`);
  assert.deepEqual(await Promise.all(paths.map((path) => get(pool, bed.backend, path))), paths);
  assert.ok(most <= 2, `${most} at once`);
});

test('who waits for a turn too long is told so, and takes nobody’s', async () => {
  await using bed = await serve();
  using pool = new BackendPool({ dial: dialDirect, maxRequests: 1 });
  const first = await pool.request(bed.backend, { method: 'GET', path: '/', headers: {}, signal });
  const options = { method: 'GET', path: '/', headers: {}, signal: AbortSignal.timeout(1) };
  await assert.rejects(pool.request(bed.backend, options), {
    hop: 'request',
    message: /waiting for a turn at pod x\/s/,
  });
  await readAnswer(first, { maxBytes: 100 });
  assert.equal(await get(pool, bed.backend, '/next'), '/next');
});

test('trust that differs shares no connection', async () => {
  await using bed = await serve();
  using pool = new BackendPool({ dial: dialDirect });
  await get(pool, bed.backend, '/');
  const { cluster } = await openClusterPki();
  await assert.rejects(get(pool, { ...bed.backend, caPem: cluster.certificatePem }, '/'), { hop: 'tls' });
  await assert.rejects(get(pool, { ...bed.backend, serverName: 't.x.svc' }, '/'), {
    hop: 'tls',
    message: `tls: failed to verify certificate: x509: certificate is valid for s.x.svc, not t.x.svc (pod x/s at 127.0.0.1:${bed.backend.port}, node node-1)`,
  });
});

test('a dial that fails names the address, the node and the route; one that hangs is given up', async () => {
  await using bed = await serve();
  const failing: Dial = async (_target, { onRoute }) => {
    onRoute?.({ kind: 'tunnel', via: 'agent-1' });
    throw new Error('dial tcp: refused');
  };
  using refused = new BackendPool({ dial: failing });
  await assert.rejects(get(refused, bed.backend, '/'), {
    hop: 'dial',
    message: `dial tcp: refused (pod x/s at 127.0.0.1:${bed.backend.port}, node node-1, route tunnel via agent-1)`,
  });
  const silent: Dial = async () => duplexPair()[0];
  using hanging = new BackendPool({ dial: silent, connectTimeoutMs: 20 });
  await assert.rejects(get(hanging, bed.backend, '/'), {
    hop: 'tls',
    message: /^tls: no connection within 20 ms \(pod x\/s/,
  });
});

test('a request that is given up says what it waited for', async () => {
  await using bed = await serve();
  bed.server.removeAllListeners('request');
  using pool = new BackendPool({ dial: dialDirect });
  const giveUp = new AbortController();
  bed.server.on('request', () => giveUp.abort(new Error('context deadline exceeded')));
  const asked = pool.request(bed.backend, { method: 'GET', path: '/', headers: {}, signal: giveUp.signal });
  await assert.rejects(asked, {
    hop: 'request',
    message: `context deadline exceeded (awaiting the answer of pod x/s at 127.0.0.1:${bed.backend.port}, node node-1)`,
  });
});

test('an end of the pool ends what is connecting', async () => {
  await using bed = await serve();
  const dialled = Promise.withResolvers<void>();
  const pool = new BackendPool({
    dial: async () => {
      dialled.resolve();
      return duplexPair()[0];
    },
  });
  const asked = get(pool, bed.backend, '/');
  await dialled.promise;
  pool[Symbol.dispose]();
  await assert.rejects(asked, /the server is shutting down/);
});

test('an answer beyond the bound is refused', async () => {
  await using bed = await serve();
  using pool = new BackendPool({ dial: dialDirect });
  await assert.rejects(get(pool, bed.backend, `/${'x'.repeat(200)}`), /more than 100 bytes/);
});
