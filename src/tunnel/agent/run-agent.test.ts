import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { before, test } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { type KonnectivityConfig, type KonnectivityServer, listenKonnectivity } from '../server/listen-konnectivity.ts';
import { createTestCredentials, listenTarget, readAll, type TestCredentials, until } from '../tunnel-suite.ts';
import type { AgentConfig, AgentServer } from './agent-config.ts';
import { KonnectivityAgent } from './run-agent.ts';
import { retryDelayMs } from './server-seeker.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

const never = new AbortController().signal;

function startServer(serverId: string, config: Partial<KonnectivityConfig> & { port?: number } = {}) {
  const { port = 0, ...others } = config;
  return listenKonnectivity(
    { serverId, agents: { address: { port, host: '127.0.0.1' }, tls: credentials.serverTls }, ...others },
    { log: silentLogger, signal: never, metrics: new Metrics() },
  );
}

function startAgent(server: AgentServer, config: Partial<AgentConfig> = {}, metrics = new Metrics()) {
  const { ca, client } = credentials;
  const tls = { ca, certificate: client };
  return new KonnectivityAgent({ agentId: 'agent', server, tls, ...config }, { log: silentLogger, metrics });
}

const at = ({ agentPort }: KonnectivityServer): AgentServer => ({ host: '127.0.0.1', port: agentPort });

/** A load balancer: each connection goes to one of the servers in turn; how many came is counted. */
async function openBalancer(servers: () => readonly KonnectivityServer[]) {
  const sockets = new Set<net.Socket>();
  let connections = 0;
  const server = net.createServer((socket) => {
    const all = servers();
    const chosen = all[connections++ % Math.max(1, all.length)];
    if (!chosen) {
      socket.destroy();
      return;
    }
    const upstream = net.connect(chosen.agentPort, '127.0.0.1');
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on('error', () => {}); // the other side hears of it by the close
    }
    socket.pipe(upstream).pipe(socket);
    socket.once('close', () => upstream.destroy());
    upstream.once('close', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    get connections() {
      return connections;
    },
    /** Sends on nothing more, without closing: what a dead machine or a dropping firewall looks like. */
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

test('waits after failures begin at a tenth of a second, grow to the cap, and differ', () => {
  const waits = (random: number) =>
    Array.from({ length: 12 }, (_, failures) =>
      Math.round(retryDelayMs(failures + 1, { capMs: 3000, random: () => random })),
    );
  assert.deepEqual(waits(0).slice(0, 4), [50, 85, 144, 246]);
  assert.equal(waits(0).at(-1), 1500);
  assert.equal(Math.max(...waits(0.999)), 2999);
});

test('three servers behind a balancer are all found; one that stops is missed, one that comes is found', async () => {
  await using opened = new AsyncDisposableStack();
  const servers = new Map<string, KonnectivityServer>();
  for (const id of ['s1', 's2', 's3']) servers.set(id, opened.use(await startServer(id, { serverCount: 3 })));
  const balancer = opened.use(await openBalancer(() => [...servers.values()]));
  const metrics = new Metrics();
  const agent = opened.use(startAgent(balancer.address, { syncIntervalMs: 20 }, metrics));
  await until(() => agent.servers().length === 3);
  await using target = await listenTarget((socket) => socket.end('hello'));
  for (const server of servers.values()) {
    const stream = await server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
    stream.end();
    assert.equal((await readAll(stream)).toString(), 'hello');
  }
  await servers.get('s1')?.[Symbol.asyncDispose]();
  servers.delete('s1');
  await until(() => agent.servers().length === 2);
  servers.set('s4', opened.use(await startServer('s4', { serverCount: 3 })));
  await until(() => agent.servers().length === 3);
  assert.deepEqual(agent.servers().sort(), ['s2', 's3', 's4']);
  assert.match(await metrics.render(), /known_server_count 3/);
});

test('an agent that has all servers makes no more handshakes, and one that looks for ever makes them ever more rarely', async () => {
  await using server = await startServer('s1');
  await using balancer = await openBalancer(() => [server]);
  await using _content = startAgent(balancer.address, { syncIntervalMs: 5 });
  await until(() => server.agents().length === 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(balancer.connections, 1);
  await using restless = await openBalancer(() => [server]);
  await using _agent = startAgent(restless.address, {
    agentId: 'restless',
    syncIntervalMs: 20,
    syncIntervalCapMs: 60_000,
    syncForever: true,
  });
  await until(() => restless.connections >= 3);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(restless.connections <= 9, `${restless.connections} handshakes`);
});

test('servers with addresses of their own are reached there, and followed as they come and go', async () => {
  await using opened = new AsyncDisposableStack();
  const one = opened.use(await startServer('s1'));
  const two = opened.use(await startServer('s2'));
  const nowhere = { host: '127.0.0.1', port: 1 };
  let addresses = [at(one)];
  const agent = opened.use(
    startAgent(nowhere, { addresses: () => addresses, wantedServers: () => addresses.length, syncIntervalMs: 20 }),
  );
  await until(() => agent.servers().join() === 's1');
  addresses = [at(one), at(two)];
  agent.recount();
  await until(() => agent.servers().length === 2);
  addresses = [at(two)];
  agent.recount();
  await one[Symbol.asyncDispose]();
  await until(() => agent.servers().join() === 's2');
});

test('a server whose own address is out of reach is found through the balancer', async () => {
  await using one = await startServer('s1');
  await using two = await startServer('s2');
  await using balancer = await openBalancer(() => [one, two]);
  const addresses = [at(one), { host: '127.0.0.1', port: 1 }];
  await using agent = startAgent(balancer.address, {
    addresses: () => addresses,
    wantedServers: () => 2,
    syncIntervalMs: 20,
  });
  await until(() => agent.servers().length === 2);
  assert.deepEqual(agent.servers().sort(), ['s1', 's2']);
});

test('an agent is back at once when its server restarts, and so is an agent of upstream’s protocol', async () => {
  for (const upstreamProtocolOnly of [false, true]) {
    const first = await startServer('s1');
    const port = first.agentPort;
    await using agent = startAgent(at(first), { upstreamProtocolOnly });
    await until(() => agent.ready);
    await first[Symbol.asyncDispose]();
    await until(() => !agent.ready);
    await using second = await startServer('s1', { port });
    await until(() => agent.ready && second.agents().length === 1, 3000);
  }
});

test('on upstream’s protocol a server that answers no ping any more is given up, and so is an agent', async () => {
  const ping = { keepaliveMs: 50, pingTimeoutMs: 200 };
  await using server = await startServer('s1', ping);
  await using balancer = await openBalancer(() => [server]);
  await using agent = startAgent(balancer.address, { upstreamProtocolOnly: true, ...ping });
  await until(() => agent.ready && server.agents().length === 1);
  balancer.freeze();
  await until(() => !agent.ready && server.agents().length === 0);
});

test('an agent that drains is not chosen while there is another, and serves on where there is none', async () => {
  await using server = await startServer('s1');
  await using target = await listenTarget((socket) => socket.end('hello'));
  await using draining = startAgent(at(server), { agentId: 'draining' });
  await until(() => server.agents().length === 1);
  draining.drain();
  const dial = async () => {
    const stream = await server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
    stream.end();
    return (await readAll(stream)).toString();
  };
  assert.equal(await dial(), 'hello');
});

test('renewed certificates are used from the next connect on, at both ends', async () => {
  const renewed = await createTestCredentials();
  await using server = await startServer('s1');
  await using agent = startAgent(at(server));
  await until(() => agent.ready);
  server.updateTls({ agents: renewed.serverTls });
  let tls = { ca: credentials.ca, certificate: credentials.client };
  const refused = Promise.withResolvers<void>();
  const log = { ...silentLogger, with: () => log, warn: () => refused.resolve() };
  await using late = new KonnectivityAgent(
    {
      agentId: 'late',
      server: at(server),
      get tls() {
        return tls;
      },
    },
    { log, metrics: new Metrics() },
  );
  await refused.promise;
  assert.equal(late.ready, false);
  tls = { ca: renewed.ca, certificate: renewed.client };
  await until(() => late.ready);
  assert.equal(agent.ready, true);
});
