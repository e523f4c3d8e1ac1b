import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createCluster, type TestCluster } from '../../src/testing/create-cluster.ts';
import { listenTarget } from '../../src/tunnel/tunnel-suite.ts';
import { httpTunnels } from './konnectivity-clients.ts';
import {
  freePorts,
  type KonnectivityFiles,
  konnectivityProgram,
  type Maker,
  type ServerPorts,
  startAgent,
  startServer,
  writeKonnectivityFiles,
} from './konnectivity-peers.ts';
import type { PeerProcess } from './peer-process.ts';

let cluster: TestCluster;
let files: KonnectivityFiles;
before(async () => {
  cluster = await createCluster({ controllers: false });
  files = await writeKonnectivityFiles(await mkdtemp(join(tmpdir(), 'fairlead-ha-')));
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(files.directory, { recursive: true });
});

const startMs = 40_000;

/** Asks other processes now and then. */
async function until(condition: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition}`);
    await wait(200);
  }
}

/** Upstream's agents only drain on SIGTERM, and ours wait until they are idle. */
function killAtEnd(opened: AsyncDisposableStack, agent: PeerProcess): PeerProcess {
  opened.use(agent);
  opened.defer(() => void agent.child.kill('SIGKILL'));
  return agent;
}

/** One server of several: it can be ended and started again on the same ports. */
class Server implements AsyncDisposable {
  readonly id: string;
  readonly maker: Maker;
  readonly ports: ServerPorts;
  readonly #more: readonly string[];
  #process: PeerProcess | undefined;

  constructor(id: string, maker: Maker, ports: ServerPorts, more: readonly string[]) {
    this.id = id;
    this.maker = maker;
    this.ports = ports;
    this.#more = more;
  }

  get udsPath(): string {
    return join(files.directory, `${this.id}.sock`);
  }

  async start(): Promise<void> {
    const { udsPath, ports } = this;
    const program = konnectivityProgram(this.maker, 'server') ?? [];
    const more = [`--server-id=${this.id}`, ...this.#more];
    this.#process = await startServer(program, { ...files, mode: 'http-connect', udsPath, ports, more });
  }

  /** Sends a signal; resolves when the process has ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process?.child;
    if (!child) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  open(target: string): Promise<Duplex> {
    return httpTunnels({ path: this.udsPath })(target);
  }

  async agents(): Promise<number> {
    return metric(this.ports.health, 'server_ready_backends{proxy_strategy="default"}').catch(() => -1); // it is away
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]();
  }
}

async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split('\n').find((found) => found.startsWith(`konnectivity_network_proxy_${name} `));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}

const leaseFlags = () => ['--enable-lease-controller', `--kubeconfig=${cluster.kubeconfigPath}`];
const countFlags = () => ['--count-server-leases', `--kubeconfig=${cluster.kubeconfigPath}`];

async function startServers(makers: readonly Maker[], opened: AsyncDisposableStack, more: readonly string[]) {
  const servers: Server[] = [];
  for (const [at, maker] of makers.entries()) {
    const ours = maker === 'ours' ? ['--agent-advertise-address=127.0.0.1', '--graceful-shutdown-timeout=20s'] : [];
    const server = opened.use(
      new Server(`${maker}-${at}-${process.pid}`, maker, await freePorts(), [...more, ...ours]),
    );
    await server.start();
    servers.push(server);
  }
  return servers;
}

/** What upstream's agents connect to: any of the servers, at random. */
async function openBalancer(servers: readonly Server[], opened: AsyncDisposableStack): Promise<number> {
  const sockets = new Set<net.Socket>();
  const listener = net.createServer((socket) => {
    const chosen = servers[Math.floor(Math.random() * servers.length)];
    const upstream = net.connect(chosen?.ports.agent ?? 0, '127.0.0.1');
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on('error', () => {}); // the other end is told by the close
    }
    socket.pipe(upstream).pipe(socket);
    socket.once('close', () => upstream.destroy());
    upstream.once('close', () => socket.destroy());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  opened.defer(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => listener.close(() => resolve()));
  });
  return (listener.address() as net.AddressInfo).port;
}

async function echo(tunnel: Duplex, words: string): Promise<string> {
  const answer = once(tunnel, 'data') as Promise<[Buffer]>;
  tunnel.resume();
  tunnel.write(words);
  return (await answer)[0].toString();
}

/** The parts that a combination needs, or `undefined` where upstream's are not built. */
function available(servers: readonly Maker[], agents: readonly Maker[]): boolean {
  return (
    servers.every((maker) => konnectivityProgram(maker, 'server')) &&
    agents.every((maker) => konnectivityProgram(maker, 'agent'))
  );
}

const combinations: readonly (readonly [readonly Maker[], readonly Maker[]])[] = [
  [
    ['ours', 'ours', 'ours'],
    ['ours', 'upstream'],
  ],
  [
    ['ours', 'upstream'],
    ['ours', 'upstream'],
  ],
];

for (const [serverMakers, agentMakers] of combinations) {
  describe(`servers ${serverMakers.join(', ')} with leases; agents ${agentMakers.join(', ')}`, () => {
    const skip = !available(serverMakers, agentMakers) && 'upstream is not built: npm run peers konnectivity';
    test('agents find all servers by their leases, lose one that is killed and find it again', { skip }, async () => {
      await using opened = new AsyncDisposableStack();
      const servers = await startServers(serverMakers, opened, leaseFlags());
      const [first, ...others] = servers;
      assert.ok(first);
      const balancer = await openBalancer(servers, opened);
      const agents: PeerProcess[] = [];
      for (const [at, maker] of agentMakers.entries()) {
        const program = konnectivityProgram(maker, 'agent') ?? [];
        const more = [`--agent-id=${maker}-${at}`, ...countFlags()];
        const place = { ports: { agent: balancer }, serverHealthPort: first.ports.health };
        agents.push(killAtEnd(opened, await startAgent(program, { ...files, ...place, more })));
      }
      const complete = async () =>
        (await Promise.all(servers.map((server) => server.agents()))).every((count) => count === agentMakers.length);
      await until(complete, startMs).catch((error: unknown) => {
        throw new Error(agents.map(({ output }) => output.slice(-4000)).join('\n\n'), { cause: error });
      });
      await using target = await listenTarget((socket) => socket.pipe(socket));
      const place = `127.0.0.1:${target.port}`;
      const streams = await Promise.all(others.map((server) => server.open(place)));
      for (const stream of streams) assert.equal(await echo(stream, 'before'), 'before');
      await first.stop('SIGKILL');
      for (const stream of streams) assert.equal(await echo(stream, 'after'), 'after');
      for (const server of others) {
        const tunnel = await server.open(place);
        assert.equal(await echo(tunnel, 'new'), 'new');
        tunnel.destroy();
      }
      await first.start();
      await until(complete, startMs);
      const tunnel = await first.open(place);
      assert.equal(await echo(tunnel, 'again'), 'again');
      for (const stream of [tunnel, ...streams]) stream.destroy();
    });
  });
}

test('servers of ours are rolled one by one while streams run through each of them', async () => {
  await using opened = new AsyncDisposableStack();
  const servers = await startServers(['ours', 'ours'], opened, leaseFlags());
  const [first] = servers;
  assert.ok(first);
  const agents = [konnectivityProgram('ours', 'agent'), konnectivityProgram('upstream', 'agent')];
  const balancer = await openBalancer(servers, opened);
  let count = 0;
  for (const program of agents) {
    if (!program) continue;
    const more = [`--agent-id=rolled-${count++}`, ...countFlags()];
    killAtEnd(
      opened,
      await startAgent(program, { ...files, ports: { agent: balancer }, serverHealthPort: first.ports.health, more }),
    );
  }
  const complete = async () =>
    (await Promise.all(servers.map((server) => server.agents()))).every((connected) => connected === count);
  await using target = await listenTarget((socket) => socket.pipe(socket));
  for (const server of servers) {
    await until(complete, startMs);
    const running = await server.open(`127.0.0.1:${target.port}`);
    assert.equal(await echo(running, 'one'), 'one');
    const stopped = server.stop('SIGTERM');
    const health = `http://127.0.0.1:${server.ports.health}/readyz`;
    await until(async () => (await fetch(health)).status === 500, startMs);
    assert.equal(await echo(running, 'two'), 'two');
    // What comes to a server that is about to stop goes through an agent of the other one.
    const late = await server.open(`127.0.0.1:${target.port}`);
    assert.equal(await echo(late, 'three'), 'three');
    running.destroy();
    late.destroy();
    await stopped;
    await server.start();
  }
});

test('a server of ours that no agent reaches dials through the other one', async () => {
  await using opened = new AsyncDisposableStack();
  const servers = await startServers(['ours', 'ours'], opened, leaseFlags());
  const [without, holder] = servers;
  assert.ok(without && holder);
  const program = konnectivityProgram('ours', 'agent') ?? [];
  killAtEnd(
    opened,
    await startAgent(program, { ...files, ports: holder.ports, serverHealthPort: holder.ports.health }),
  );
  await using target = await listenTarget((socket) => socket.pipe(socket));
  const tunnel = await without.open(`127.0.0.1:${target.port}`);
  assert.equal(await echo(tunnel, 'through the other'), 'through the other');
  tunnel.destroy();
});

test('an agent of ours with a list of servers holds one connection to each', async () => {
  await using opened = new AsyncDisposableStack();
  const servers = await startServers(['ours', 'ours'], opened, []);
  const [first] = servers;
  assert.ok(first);
  const program = konnectivityProgram('ours', 'agent') ?? [];
  const hosts = servers.map(({ ports }) => `127.0.0.1:${ports.agent}`).join(',');
  const more = [`--proxy-server-host=${hosts}`];
  killAtEnd(
    opened,
    await startAgent(program, { ...files, ports: first.ports, serverHealthPort: first.ports.health, more }),
  );
  await until(async () => (await Promise.all(servers.map((server) => server.agents()))).join() === '1,1', startMs);
});
