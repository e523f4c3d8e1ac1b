import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { createTestCredentials, listenTarget, readAll, type TestCredentials, until } from '../tunnel-suite.ts';
import { RawServer } from './raw-server-suite.ts';
import { KonnectivityAgent } from './run-agent.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

/** An agent that is connected to a server that a test plays. */
async function openPair(alpnProtocols: readonly string[] = []) {
  const opened = new AsyncDisposableStack();
  const server = opened.use(await RawServer.open(credentials));
  const metrics = new Metrics();
  const agent = opened.use(
    new KonnectivityAgent(
      {
        agentId: 'agent',
        server: { host: '127.0.0.1', port: server.port },
        tls: { ca: credentials.ca, certificate: credentials.client, alpnProtocols },
      },
      { log: silentLogger, metrics },
    ),
  );
  await until(() => agent.ready);
  return { server, agent, metrics, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

test('a dial is answered with its number, bytes go both ways, and the target’s end is CLOSE_RSP without an error', async () => {
  await using pair = await openPair();
  const { server, agent } = pair;
  await using target = await listenTarget((socket) => {
    socket.once('data', (chunk: Buffer) => socket.end(`you said ${chunk}`));
  });
  server.send({ type: 'DIAL_REQ', protocol: 'tcp', address: `127.0.0.1:${target.port}`, random: 111n });
  const { random, connectId, error } = await server.next('DIAL_RSP');
  assert.deepEqual([random, error], [111n, '']);
  server.send({ type: 'DATA', connectId, data: Buffer.from('hello') });
  const answer = await server.next('DATA');
  assert.equal(answer.connectId, connectId);
  assert.equal(answer.data.toString(), 'you said hello');
  const closed = await server.next('CLOSE_RSP');
  assert.deepEqual([closed.connectId, closed.error], [connectId, '']);
  await until(() => agent.connections === 0);
});

test('CLOSE_REQ is answered without an error, a second one is of an unknown connection', async () => {
  await using pair = await openPair();
  const { server, agent } = pair;
  const ended = Promise.withResolvers<void>();
  await using target = await listenTarget((socket) => void readAll(socket).then(() => ended.resolve()));
  server.send({ type: 'DIAL_REQ', protocol: 'tcp', address: `127.0.0.1:${target.port}`, random: 1n });
  const { connectId } = await server.next('DIAL_RSP');
  server.send({ type: 'CLOSE_REQ', connectId });
  assert.equal((await server.next('CLOSE_RSP')).error, '');
  await ended.promise;
  server.send({ type: 'CLOSE_REQ', connectId });
  const second = await server.next('CLOSE_RSP');
  assert.deepEqual([second.connectId, second.error], [connectId, 'Unknown connectID']);
  assert.ok(agent.ready);
});

test('bytes for an unknown connection are answered with CLOSE_RSP of that connection', async () => {
  await using pair = await openPair();
  pair.server.send({ type: 'DATA', connectId: 99n, data: Buffer.from('x') });
  assert.equal((await pair.server.next('CLOSE_RSP')).connectId, 99n);
});

test('an answer that cannot be sent any more leaves no connection to the target', async () => {
  await using pair = await openPair();
  const { server, agent, metrics } = pair;
  let open = 0;
  await using target = await listenTarget((socket) => {
    open++;
    socket.resume();
    socket.once('end', () => socket.end());
    socket.once('close', () => open--);
  });
  server.send({ type: 'DIAL_REQ', protocol: 'tcp', address: `127.0.0.1:${target.port}`, random: 1n });
  await until(() => open > 0 || agent.connections > 0);
  server.cut();
  await until(() => open === 0 && agent.connections === 0);
  assert.match(await metrics.render(), /agent_open_endpoint_connections 0/);
});

test('a drain is told to the server, and what comes afterwards is still served', async () => {
  await using pair = await openPair();
  const { server, agent } = pair;
  await using target = await listenTarget((socket) => socket.end('hello'));
  agent.drain();
  await server.next('DRAIN');
  server.send({ type: 'DIAL_REQ', protocol: 'tcp', address: `127.0.0.1:${target.port}`, random: 1n });
  assert.equal((await server.next('DIAL_RSP')).error, '');
  assert.equal((await server.next('DATA')).data.toString(), 'hello');
});

test('protocols other than tcp are refused', async () => {
  await using pair = await openPair();
  pair.server.send({ type: 'DIAL_REQ', protocol: 'udp', address: '127.0.0.1:53', random: 7n });
  const { error, random } = await pair.server.next('DIAL_RSP');
  assert.equal(random, 7n);
  assert.match(error, /unknown network udp/);
});

test('further ALPN names are offered ahead of h2', async () => {
  await using pair = await openPair(['first', 'second']);
  const { offered } = pair.server;
  assert.deepEqual(offered.slice(-3), ['first', 'second', 'h2']);
});

test('a server that is lost is counted as a broken stream', async () => {
  await using pair = await openPair();
  pair.server.cut();
  await until(async () => /agent_stream_errors_total\{segment="to_agent"[^}]*\} 1/.test(await pair.metrics.render()));
});
