/** What upstream's own tests of a whole server and agent check and no other file here does. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { before, describe, test } from 'node:test';
import { silentLogger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { listenAgentProbes } from './agent/agent-probes.ts';
import { KonnectivityAgent } from './agent/run-agent.ts';
import { listenKonnectivity } from './server/listen-konnectivity.ts';
import { RawAgent } from './server/raw-agent-suite.ts';
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
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

for (const upstreamProtocolOnly of [false, true]) {
  describe(upstreamProtocolOnly ? 'on upstream’s protocol' : 'on the native tunnel', () => {
    const agent = { upstreamProtocolOnly };

    test('an unknown name is 502 with no such host, and counted at both ends', async () => {
      await using tunnel = await openTestTunnel(credentials, { agent });
      const { header, socket, behind } = await connectThrough({ path: tunnel.udsPath }, 'no-such-name.invalid:80');
      const body = Buffer.concat([behind, await readAll(socket)]).toString();
      socket.destroy();
      assert.match(header, /^HTTP\/1\.1 502 /);
      assert.match(body, /no such host|Temporary failure in name resolution/);
      assert.match(await tunnel.serverMetrics.render(), /dial_failure_count\{reason="error_response"\} 1/);
      assert.match(await tunnel.agentMetrics.render(), /endpoint_dial_failure_total\{reason="unknown"\} 1/);
    });

    test('ten downloads of 10 MB side by side arrive whole', async () => {
      await using tunnel = await openTestTunnel(credentials, { agent });
      const bytes = randomBytes(10 * 1024 * 1024);
      await using target = await listenTarget((socket) => socket.end(bytes));
      const expected = hash(bytes);
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
          assert.equal(hash(await readAll(stream)), expected);
          stream.end();
        }),
      );
    });

    test('a hundred echoes over two agents each get their own words back', async () => {
      await using tunnel = await openTestTunnel(credentials, { agent });
      const { ca, client } = credentials;
      await using second = new KonnectivityAgent(
        {
          agentId: 'agent-2',
          server: { host: '127.0.0.1', port: tunnel.server.agentPort },
          tls: { ca, certificate: client },
          ...agent,
        },
        { log: silentLogger, metrics: new Metrics() },
      );
      await until(() => second.ready && tunnel.server.agents().length === 2);
      await using target = await listenTarget((socket) => socket.pipe(socket));
      await Promise.all(
        Array.from({ length: 100 }, async (_, at) => {
          const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
          stream.end(`words ${at}`);
          assert.equal((await readAll(stream)).toString(), `words ${at}`);
        }),
      );
    });

    test('a second agent of the same id cuts nothing of the first one, and they count once', async () => {
      await using tunnel = await openTestTunnel(credentials, { agent });
      await using target = await listenTarget((socket) => socket.pipe(socket));
      const open = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
      const { ca, client } = credentials;
      await using second = new KonnectivityAgent(
        {
          agentId: 'agent-1',
          server: { host: '127.0.0.1', port: tunnel.server.agentPort },
          tls: { ca, certificate: client },
          ...agent,
        },
        { log: silentLogger, metrics: new Metrics() },
      );
      await until(() => second.ready && tunnel.server.agents().length === 2);
      assert.match(await tunnel.serverMetrics.render(), /ready_backends\{proxy_strategy="default"\} 1/);
      open.write('still here');
      const [answer] = (await once(open, 'data')) as [Buffer];
      assert.equal(answer.toString(), 'still here');
      open.destroy();
    });
  });
}

test('a dial that is cancelled while a mute agent says nothing is counted as the client’s close', async () => {
  const metrics = new Metrics();
  await using server = await listenKonnectivity(
    { serverId: 's', agents: { address: { port: 0, host: '127.0.0.1' }, tls: credentials.serverTls } },
    { log: silentLogger, signal: never, metrics },
  );
  await using mute = new RawAgent(server.agentPort, credentials);
  await mute.headers;
  await until(() => server.agents().length === 1);
  const cancel = new AbortController();
  const dial = server.dial({ host: '127.0.0.1', port: 1 }, { signal: cancel.signal });
  const { random } = await mute.next('DIAL_REQ');
  cancel.abort(new Error('cancelled'));
  await assert.rejects(dial, { message: 'cancelled' });
  assert.equal((await mute.next('DIAL_CLS')).random, random);
  const text = await metrics.render();
  assert.match(text, /dial_failure_count\{reason="frontend_close"\} 1/);
  assert.match(text, /server_pending_backend_dials 0/);
});

test('server and agent are ready with each other only, and say so in upstream’s words', async () => {
  const place = { host: '127.0.0.1', port: 0 };
  const ask = async (port: number, path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual' });
    return [answer.status, await answer.text()] as const;
  };
  await using server = await listenKonnectivity(
    { serverId: 's', agents: { address: place, tls: credentials.serverTls }, health: place, admin: place },
    { log: silentLogger, signal: never, metrics: new Metrics() },
  );
  assert.deepEqual(await ask(server.healthPort, '/healthz'), [200, 'ok']);
  for (const path of ['/readyz', '/ready']) {
    assert.deepEqual(await ask(server.healthPort, path), [500, 'no connection to any proxy agent']);
  }
  const { ca, client } = credentials;
  const metrics = new Metrics();
  const start = (port: number) =>
    new KonnectivityAgent(
      { agentId: 'agent', server: { host: '127.0.0.1', port }, tls: { ca, certificate: client } },
      { log: silentLogger, metrics },
    );
  const lonely = start(1);
  const lonelyProbes = await listenAgentProbes({ agent: lonely, metrics, health: place, admin: place });
  const failure = '[+]ping ok\n[-]server-connected failed: no servers connected\n';
  assert.deepEqual(await ask(lonelyProbes.health.port, '/readyz'), [503, failure]);
  assert.deepEqual(await ask(lonelyProbes.health.port, '/healthz'), [200, 'ok']);
  await lonelyProbes[Symbol.asyncDispose]();
  await lonely[Symbol.asyncDispose]();
  await using agent = start(server.agentPort);
  await using probes = await listenAgentProbes({ agent, metrics, health: place, admin: place });
  await until(() => agent.ready && server.ready);
  assert.deepEqual(await ask(server.healthPort, '/readyz'), [200, 'ok']);
  assert.deepEqual(await ask(probes.health.port, '/ready'), [200, 'ok']);
  const verbose = '[+]ping ok\n[+]server-connected ok\ncheck passed\n';
  assert.deepEqual(await ask(probes.health.port, '/readyz?verbose'), [200, verbose]);
  const moved = await fetch(`http://127.0.0.1:${probes.admin.port}/metrics`, { redirect: 'manual' });
  const to = `http://127.0.0.1:${probes.health.port}/metrics`;
  assert.deepEqual([moved.status, moved.headers.get('location')], [301, to]);
});

test('the metrics that upstream’s tests read are there from the start, with their texts', async () => {
  await using tunnel = await openTestTunnel(credentials);
  const server = await tunnel.serverMetrics.render();
  for (const [name, help] of [
    ['dial_failure_count', 'Number of dial failures observed. Multiple failures can occur for a single dial request.'],
    ['pending_backend_dials', 'Current number of pending backend dial requests'],
    ['established_connections', 'Current number of established end-to-end connections (post-dial).'],
    ['ready_backends', 'Number of konnectivity agent connected to the proxy server'],
  ]) {
    assert.ok(server.includes(`# HELP konnectivity_network_proxy_server_${name} ${help}\n`), name);
  }
  const agent = await tunnel.agentMetrics.render();
  assert.match(agent, /agent_open_server_connections 1/);
  assert.match(agent, /agent_open_endpoint_connections 0/);
  assert.match(
    agent,
    /# HELP konnectivity_network_proxy_agent_endpoint_dial_failure_total Number of failures dialing the remote endpoint, by reason \(example: timeout\)\./,
  );
});
