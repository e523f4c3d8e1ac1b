import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, test } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { createTestCredentials, readAll, type TestCredentials, until } from '../tunnel-suite.ts';
import { type KonnectivityConfig, listenKonnectivity } from './listen-konnectivity.ts';
import { RawAgent } from './raw-agent-suite.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

const signal = new AbortController().signal;
const target = { host: '10.0.0.1', port: 80 };

async function open(config: Partial<KonnectivityConfig> = {}) {
  const metrics = new Metrics();
  const agents = { address: { port: 0, host: '127.0.0.1' }, tls: credentials.serverTls };
  const options = { log: silentLogger, signal, metrics };
  const server = await listenKonnectivity({ serverId: 's-1', serverCount: 2, agents, ...config }, options);
  return { server, metrics, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('an agent is told the server’s id and count, and a dial carries protocol and address', async () => {
  await using bed = await open();
  await using agent = new RawAgent(bed.server.agentPort, credentials);
  const headers = await agent.headers;
  assert.equal(headers['serverid'], 's-1');
  assert.equal(headers['servercount'], '2');
  await until(() => bed.server.ready);
  const dial = bed.server.dial({ host: '2001:db8::1', port: 443 }, { signal });
  const { random, ...request } = await agent.next('DIAL_REQ');
  assert.deepEqual(request, { type: 'DIAL_REQ', protocol: 'tcp', address: '[2001:db8::1]:443' });
  agent.send({ type: 'DIAL_RSP', error: '', connectId: 1n, random });
  agent.send({ type: 'DATA', connectId: 1n, data: Buffer.from('last') });
  agent.send({ type: 'CLOSE_RSP', error: '', connectId: 1n });
  assert.equal((await readAll(await dial)).toString(), 'last');
});

test('a reader that takes nothing is closed alone, counted, and the others go on', async () => {
  await using bed = await open({ queues: { connectionBytes: 256 * 1024, holdMs: 30 } });
  await using agent = new RawAgent(bed.server.agentPort, credentials);
  await until(() => bed.server.ready);
  const dials = [1n, 2n].map(async (connectId) => {
    const stream = bed.server.dial(target, { signal });
    const { random } = await agent.next('DIAL_REQ');
    agent.send({ type: 'DIAL_RSP', error: '', connectId, random });
    return stream;
  });
  const [stalled, healthy] = await Promise.all(dials);
  assert.ok(stalled && healthy);
  const failed = once(stalled, 'error');
  for (let sent = 0; sent < 1024; sent += 32) {
    agent.packets.sendData(1n, Buffer.alloc(32 * 1024));
  }
  agent.send({ type: 'DATA', connectId: 2n, data: Buffer.from('on') });
  agent.send({ type: 'CLOSE_RSP', error: '', connectId: 2n });
  assert.equal((await readAll(healthy)).toString(), 'on');
  const [error] = (await failed) as [Error];
  assert.match(error.message, /^the reader of 10\.0\.0\.1:80 is \d+ bytes behind and took none for 30 ms$/);
  assert.deepEqual(await agent.next('CLOSE_REQ'), { type: 'CLOSE_REQ', connectId: 1n });
  assert.match(await bed.metrics.render(), /server_stalled_connections_total 1/);
});

test('a dial that nobody answers ends at its deadline, and a late answer is closed', async () => {
  await using bed = await open({ dialTimeoutMs: 20 });
  await using agent = new RawAgent(bed.server.agentPort, credentials);
  await until(() => bed.server.ready);
  await assert.rejects(bed.server.dial(target, { signal }), /timed out waiting for backend dial$/);
  const { random } = await agent.next('DIAL_REQ');
  assert.deepEqual(await agent.next('DIAL_CLS'), { type: 'DIAL_CLS', random });
  agent.send({ type: 'DIAL_RSP', error: '', connectId: 5n, random });
  assert.deepEqual(await agent.next('CLOSE_REQ'), { type: 'CLOSE_REQ', connectId: 5n });
  const metrics = await bed.metrics.render();
  assert.match(metrics, /dial_failure_count\{reason="backend_dial_timeout"\} 1/);
  assert.match(metrics, /dial_failure_count\{reason="unrecognized_response"\} 1/);
  assert.match(metrics, /pending_backend_dials 0/);
});

test('an agent that does not even take a dial is retired, so that it connects anew', async () => {
  await using bed = await open({ dialTimeoutMs: 300 });
  await using agent = new RawAgent(bed.server.agentPort, credentials);
  await until(() => bed.server.ready);
  const opening = bed.server.dial(target, { signal });
  const { random } = await agent.next('DIAL_REQ');
  agent.send({ type: 'DIAL_RSP', error: '', connectId: 1n, random });
  const stream = await opening;
  stream.on('error', () => {}); // it goes with its agent
  agent.packets.hold('the test');
  stream.write(Buffer.alloc(4 * 1024 * 1024));
  await assert.rejects(bed.server.dial(target, { signal }), /timed out waiting for backend dial$/);
  await until(() => !bed.server.ready);
  assert.match(await bed.metrics.render(), /pending_backend_dials 0/);
});

test('an agent that breaks the protocol ends its own stream alone', async () => {
  await using bed = await open();
  await using good = new RawAgent(bed.server.agentPort, credentials, { agentid: 'good' });
  await using bad = new RawAgent(bed.server.agentPort, credentials, { agentid: 'bad' });
  await until(() => bed.server.agents().length === 2);
  bad.packets.stream.write(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]));
  await until(() => bed.server.agents().length === 1);
  assert.deepEqual(bed.server.agents(), ['good']);
  good.send({ type: 'DATA', connectId: 9n, data: Buffer.from('?') });
  assert.deepEqual(await good.next('CLOSE_REQ'), { type: 'CLOSE_REQ', connectId: 9n });
});

test('metadata that is absent or broken is refused with a status', async () => {
  await using bed = await open();
  await using agent = new RawAgent(bed.server.agentPort, credentials, { agentidentifiers: 'host=a;b' });
  const headers = await agent.headers;
  assert.equal(headers['grpc-status'], '2');
  assert.match(String(headers['grpc-message']), /invalid semicolon separator/);
  assert.deepEqual(bed.server.agents(), []);
});

test('an agent with a node’s certificate may not claim another node’s name', async () => {
  const node = await createTestCredentials({ clientName: 'system:node:a' });
  const agents = { address: { port: 0, host: '127.0.0.1' }, tls: node.serverTls };
  await using bed = await open({ agents });
  await using thief = new RawAgent(bed.server.agentPort, node, { agentidentifiers: 'host=b' });
  assert.equal((await thief.headers)['grpc-message'], 'node a may not be the agent of host b');
  await using owner = new RawAgent(bed.server.agentPort, node, { agentidentifiers: 'host=a', agentid: 'owner' });
  assert.equal((await owner.headers)['serverid'], 's-1');
  await until(() => bed.server.agents().length > 0);
  assert.deepEqual(bed.server.agents(), ['owner']);
});
