import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { before, test } from 'node:test';
import { silentLogger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { KonnectivityAgent } from './agent/run-agent.ts';
import {
  connectThrough,
  createTestCredentials,
  listenTarget,
  openTestTunnel,
  readAll,
  type TestCredentials,
  until,
} from './tunnel-suite.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

const never = new AbortController().signal;
const fourMegabytes = randomBytes(4 * 1024 * 1024);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('bytes go both ways through the in-process dial, and a half-close leaves the answer open', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using target = await listenTarget((socket) => {
    void readAll(socket).then((bytes) => socket.end(`got ${bytes.length}`));
  });
  const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  stream.end(fourMegabytes);
  assert.equal((await readAll(stream)).toString(), `got ${fourMegabytes.length}`);
  await until(() => tunnel.agent.connections === 0);
});

test('the header comes first and alone where the target speaks first', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using target = await listenTarget((socket) => socket.end('220 ready\r\n'));
  const results = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const { socket, header, behind } = await connectThrough({ path: tunnel.udsPath }, `127.0.0.1:${target.port}`);
      const rest = await readAll(socket);
      socket.destroy();
      return [header, Buffer.concat([behind, rest]).toString()];
    }),
  );
  for (const result of results) {
    assert.deepEqual(result, ['HTTP/1.1 200 Connection Established', '220 ready\r\n']);
  }
});

test('a client that closes behind 4 MB loses none of them to a slow target', async () => {
  await using tunnel = await openTestTunnel(credentials);
  const received = Promise.withResolvers<string>();
  await using target = await listenTarget((socket) => {
    setTimeout(() => void readAll(socket).then((bytes) => received.resolve(hash(bytes))), 200);
  });
  const { socket } = await connectThrough({ path: tunnel.udsPath }, `127.0.0.1:${target.port}`);
  socket.end(fourMegabytes);
  await once(socket, 'finish');
  assert.equal(await received.promise, hash(fourMegabytes));
  socket.destroy();
});

test('a target that closes behind 4 MB loses none of them to a slow client', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using target = await listenTarget((socket) => socket.end(fourMegabytes));
  const { socket, behind } = await connectThrough({ path: tunnel.udsPath }, `127.0.0.1:${target.port}`);
  socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(hash(Buffer.concat([behind, await readAll(socket)])), hash(fourMegabytes));
  socket.end();
});

test('a refused dial is 502 with the system’s words, an unknown name too, and both are counted', async () => {
  await using tunnel = await openTestTunnel(credentials);
  const closed = await listenTarget(() => {});
  await closed[Symbol.asyncDispose]();
  const refused = await connectThrough({ path: tunnel.udsPath }, `127.0.0.1:${closed.port}`);
  assert.match(refused.header, /^HTTP\/1\.1 502 Bad Gateway/);
  const body = Buffer.concat([refused.behind, await readAll(refused.socket)]).toString();
  assert.equal(body, `dial tcp 127.0.0.1:${closed.port}: connect: connection refused`);
  assert.match(await tunnel.serverMetrics.render(), /dial_failure_count\{reason="error_response"\} 1/);
  assert.match(await tunnel.agentMetrics.render(), /endpoint_dial_failure_total\{reason="unknown"\} 1/);
  refused.socket.destroy();
});

test('without an agent the client is told so', async () => {
  await using tunnel = await openTestTunnel(credentials, { server: { strategies: ['destHost'] } }).catch(() => {
    throw new Error('the tunnel did not open');
  });
  const { header, socket, behind } = await connectThrough({ path: tunnel.udsPath }, '127.0.0.1:1');
  assert.match(header, /^HTTP\/1\.1 500 /);
  const body = Buffer.concat([behind, await readAll(socket)]).toString();
  assert.equal(body, 'currently no tunnels available: No agent available');
  assert.equal(tunnel.server.ready, false);
  socket.destroy();
});

test('one stalled reader holds up nobody between our own ends', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using endless = await listenTarget((socket) => {
    const chunk = Buffer.alloc(64 * 1024);
    const push = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', push);
    push();
  });
  await using target = await listenTarget((socket) => socket.end(fourMegabytes));
  const stalled = await tunnel.server.dial({ host: '127.0.0.1', port: endless.port }, { signal: never });
  await once(stalled, 'data');
  stalled.pause();
  for (let round = 0; round < 3; round++) {
    const healthy = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
    assert.equal((await readAll(healthy)).length, fourMegabytes.length);
    healthy.end();
  }
  assert.equal(stalled.destroyed, false);
  stalled.destroy();
  await until(() => tunnel.agent.connections === 0);
});

test('a dial that is given up frees everything, and nothing is left of closed connections', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using target = await listenTarget((socket) => socket.pipe(socket));
  const abandon = new AbortController();
  const dial = tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: abandon.signal });
  abandon.abort(new Error('given up'));
  await assert.rejects(dial, { message: 'given up' });
  await until(() => tunnel.agent.connections === 0);
  const metrics = await tunnel.serverMetrics.render();
  assert.match(metrics, /server_pending_backend_dials 0/);
  assert.match(metrics, /server_established_connections 0/);
});

test('an agent that is stopped ends its connections, and the next one serves', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using target = await listenTarget((socket) => socket.pipe(socket));
  const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  const failed = once(stream, 'error');
  stream.resume();
  await tunnel.agent[Symbol.asyncDispose]();
  const [error] = (await failed) as [Error];
  assert.equal(error.message, 'the tunnel of agent agent-1 was lost');
  await until(() => tunnel.server.agents().length === 0);
  await assert.rejects(tunnel.server.dial({ host: '127.0.0.1', port: 1 }, { signal: never }), {
    message: 'Cannot dial 127.0.0.1:1 through the Konnectivity tunnel: No agent available',
  });
});

test('an agent without a certificate, and one of another CA, is not let in', async () => {
  await using tunnel = await openTestTunnel(credentials);
  const stranger = await createTestCredentials();
  for (const certificate of [undefined, stranger.client]) {
    const refused = Promise.withResolvers<string>();
    const log = { ...silentLogger, with: () => log, warn: (message: string) => refused.resolve(message) };
    const server = { host: '127.0.0.1', port: tunnel.server.agentPort };
    const tls = { ca: credentials.ca, ...(certificate && { certificate }) };
    await using agent = new KonnectivityAgent({ agentId: 'stranger', server, tls }, { log, metrics: new Metrics() });
    assert.equal(await refused.promise, 'Cannot connect to the server');
    assert.equal(agent.ready, false);
  }
  assert.deepEqual(tunnel.server.agents(), ['agent-1']);
});
