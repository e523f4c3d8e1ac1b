import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { openClusterPki } from '../../pki/authority.ts';
import type { CertificateAuthority } from '../../pki/certificate-authority.ts';
import { KonnectivityAgent } from '../agent/run-agent.ts';
import type { ServerAddress } from '../leases/lease-validity.ts';
import { listenTarget, readAll, until } from '../tunnel-suite.ts';
import { type KonnectivityServer, listenKonnectivity } from './listen-konnectivity.ts';

let authority: CertificateAuthority;
before(async () => {
  authority = (await openClusterPki()).cluster;
});

const never = new AbortController().signal;

interface Fleet extends AsyncDisposable {
  readonly addresses: ServerAddress[];
  start(
    serverId: string,
    options?: { commonName?: string; strategies?: readonly ('default' | 'destHost')[] },
  ): Promise<KonnectivityServer>;
  agent(server: KonnectivityServer, agentId: string, identifiers?: string): Promise<KonnectivityAgent>;
  readonly metrics: Metrics;
}

/** Servers that know each other, and agents of one of them each. */
async function openFleet(): Promise<Fleet> {
  const opened = new AsyncDisposableStack();
  const ca = authority.certificatePem;
  const addresses: ServerAddress[] = [];
  const metrics = new Metrics();
  return {
    addresses,
    metrics,
    async start(serverId, { commonName = 'konnectivity-server', strategies } = {}) {
      const own = await authority.issue({ commonName, ipAddresses: ['127.0.0.1'], usages: ['server', 'client'] });
      const pair = { certificate: own.certificatePem, key: own.privateKeyPem };
      const server = opened.use(
        await listenKonnectivity(
          {
            serverId,
            agents: { address: { port: 0, host: '127.0.0.1' }, tls: { ...pair, clientCa: ca } },
            peers: { addresses: () => addresses, credentials: () => ({ ca, ...pair, names: ['konnectivity-server'] }) },
            ...(strategies && { strategies }),
          },
          { log: silentLogger, signal: never, metrics: serverId === 'a' ? metrics : new Metrics() },
        ),
      );
      addresses.push({ host: '127.0.0.1', port: server.agentPort });
      return server;
    },
    async agent(server, agentId, identifiers = '') {
      const client = await authority.issue({ commonName: agentId, usages: ['client'] });
      const certificate = { certificate: client.certificatePem, key: client.privateKeyPem };
      const address = { host: '127.0.0.1', port: server.agentPort };
      const agent = opened.use(
        new KonnectivityAgent(
          { agentId, identifiers, server: address, tls: { ca, certificate } },
          { log: silentLogger, metrics: new Metrics() },
        ),
      );
      await until(() => server.agents().includes(agentId));
      return agent;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

test('a server without an agent dials through one that has, half-close and last bytes included', async () => {
  await using fleet = await openFleet();
  const a = await fleet.start('a');
  const b = await fleet.start('b');
  await fleet.agent(b, 'agent-b');
  const sent = Buffer.alloc(2_000_000, 7);
  await using target = await listenTarget(
    (socket) => void readAll(socket).then((bytes) => socket.end(`got ${bytes.length}`)),
  );
  const stream = await a.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  stream.end(sent);
  assert.equal((await readAll(stream)).toString(), `got ${sent.length}`);
  assert.match(await fleet.metrics.render(), /forwarded_dials_total\{result="connected"\} 1/);
});

test('the agent’s own refusal comes back through the other server', async () => {
  await using fleet = await openFleet();
  const a = await fleet.start('a');
  const b = await fleet.start('b');
  await fleet.agent(b, 'agent-b');
  const closed = await listenTarget(() => {});
  await closed[Symbol.asyncDispose]();
  await assert.rejects(
    a.dial({ host: '127.0.0.1', port: closed.port }, { signal: never }),
    /connect: connection refused/,
  );
});

test('servers without agents ask each other once and no further, and themselves not at all', async () => {
  await using fleet = await openFleet();
  const a = await fleet.start('a');
  await fleet.start('b');
  await fleet.start('c');
  await assert.rejects(a.dial({ host: '127.0.0.1', port: 1 }, { signal: never }), /No agent available/);
  assert.match(await fleet.metrics.render(), /forwarded_dials_total\{result="no_agent"\} 1/);
});

test('a host that only another server’s agent names is reached there', async () => {
  await using fleet = await openFleet();
  const a = await fleet.start('a', { strategies: ['destHost'] });
  const b = await fleet.start('b', { strategies: ['destHost'] });
  await fleet.agent(a, 'agent-a', 'host=elsewhere');
  await fleet.agent(b, 'agent-b', 'ipv4=127.0.0.1');
  await using target = await listenTarget((socket) => socket.end('hello'));
  const stream = await a.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  stream.end();
  assert.equal((await readAll(stream)).toString(), 'hello');
});

test('a certificate that is no server’s is refused on both ends', async () => {
  await using fleet = await openFleet();
  const stranger = await fleet.start('stranger', { commonName: 'somebody' });
  const b = await fleet.start('b');
  await fleet.agent(b, 'agent-b');
  await using target = await listenTarget((socket) => socket.end('hello'));
  await assert.rejects(
    stranger.dial({ host: '127.0.0.1', port: target.port }, { signal: never }),
    /No agent available/,
  );
  await fleet.agent(stranger, 'agent-s');
  const c = await fleet.start('c');
  fleet.addresses.splice(0, fleet.addresses.length, { host: '127.0.0.1', port: stranger.agentPort });
  await assert.rejects(c.dial({ host: '127.0.0.1', port: target.port }, { signal: never }), /No agent available/);
});

test('a server that drains is not ready, sends new dials elsewhere or says why, and lets what is open go on', async () => {
  await using fleet = await openFleet();
  const a = await fleet.start('a');
  await fleet.agent(a, 'agent-a');
  await using target = await listenTarget((socket) => socket.pipe(socket));
  const open = await a.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  let drained = false;
  const draining = a.drain(30_000).then(() => {
    drained = true;
  });
  assert.equal(a.ready, false);
  await assert.rejects(a.dial({ host: '127.0.0.1', port: target.port }, { signal: never }), /the server is stopping/);
  const b = await fleet.start('b');
  await fleet.agent(b, 'agent-b');
  const moved = await a.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  for (const stream of [open, moved]) {
    stream.write('still here');
    const answer = await new Promise<Buffer>((resolve) => stream.once('data', resolve));
    assert.equal(answer.toString(), 'still here');
  }
  assert.equal(drained, false);
  open.destroy();
  moved.destroy();
  await draining;
});
