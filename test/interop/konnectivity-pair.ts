import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ConnectAddress } from '../../src/tunnel/tunnel-suite.ts';
import { grpcTunnels, httpTunnels, type OpenTunnel } from './konnectivity-clients.ts';
import {
  freePort,
  freePorts,
  type KonnectivityFiles,
  konnectivityProgram,
  type Maker,
  type ServerPorts,
  startAgent,
  startServer,
  writeKonnectivityFiles,
} from './konnectivity-peers.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import type { PeerProcess } from './peer-process.ts';

/** What the two ends speak: `native` only where both are ours. */
export type TunnelProtocol = 'native' | 'konnectivity';

export interface Combination {
  readonly server: Maker;
  readonly agent: Maker;
  readonly protocol: TunnelProtocol;
  readonly mode: 'grpc' | 'http-connect';
}

/** Everything that can stand between a front end and a target. */
export const tunnelEnds: readonly Omit<Combination, 'mode'>[] = [
  { server: 'ours', agent: 'ours', protocol: 'native' },
  { server: 'ours', agent: 'ours', protocol: 'konnectivity' },
  { server: 'ours', agent: 'upstream', protocol: 'konnectivity' },
  { server: 'upstream', agent: 'ours', protocol: 'konnectivity' },
  { server: 'upstream', agent: 'upstream', protocol: 'konnectivity' },
];

/** Those of one project at both ends. */
export const sameEnds = tunnelEnds.filter(({ server, agent }) => server === agent);

export function nameOf({ server, agent, protocol, mode }: Omit<Combination, 'mode'> & { mode?: string }): string {
  const ends = server === agent ? `${server} at both ends` : `${server} server, ${agent} agent`;
  return [ends, protocol === 'native' ? 'native protocol' : "upstream's protocol", ...(mode ? [mode] : [])].join(', ');
}

/** Why it cannot be run here. */
export function missingEnds({ server, agent }: Pick<Combination, 'server' | 'agent'>): string | undefined {
  const found = konnectivityProgram(server, 'server') && konnectivityProgram(agent, 'agent');
  return found ? undefined : 'the upstream server and agent are not built: npm run peers konnectivity';
}

/** A server and an agent as processes, connected with each other, with a front end on a Unix socket. */
export interface TunnelPair extends AsyncDisposable {
  readonly files: KonnectivityFiles;
  readonly ports: ServerPorts;
  readonly address: ConnectAddress & { readonly path: string };
  readonly open: OpenTunnel;
  readonly server: PeerProcess;
  readonly agent: PeerProcess;
  /** The sum over all labels of one of the server's metrics, by the part of its name behind upstream's prefix. */
  metric(name: string): Promise<number>;
  /** The same of the first agent's. */
  agentMetric(name: string): Promise<number>;
  startServer(): Promise<void>;
  startAgent(): Promise<void>;
  /** One more, which whoever asks for it ends. */
  addAgent(agentId: string): Promise<PeerProcess>;
  /** SIGKILL. */
  kill(end: 'server' | 'agent'): Promise<void>;
}

export interface PairOptions {
  /** Where the agent runs and from where it reaches the server. @default this machine's own network, and loopback */
  readonly network?: NetworkNamespace;
}

export async function startPair(combination: Combination, { network }: PairOptions = {}): Promise<TunnelPair> {
  const missing = missingEnds(combination);
  if (missing) throw new Error(missing);
  await using opened = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-pair-'));
  opened.defer(() => rm(directory, { recursive: true, force: true }));
  const serverHost = network?.hostAddress ?? '127.0.0.1';
  const files = await writeKonnectivityFiles(directory, { ipAddresses: network ? [serverHost] : [] });
  const ports = await freePorts();
  const path = join(directory, 'frontend.sock');
  const running: { server?: PeerProcess; agent?: PeerProcess } = {};
  opened.defer(() => running.server?.[Symbol.asyncDispose]());
  // Upstream's agent drains for ever.
  opened.defer(() => (profileFolder ? running.agent?.[Symbol.asyncDispose]() : running.agent?.kill()));

  const start = {
    async server() {
      const program = launched(combination.server, 'server');
      running.server = await startServer(program, {
        ...files,
        mode: combination.mode,
        udsPath: path,
        ports,
        agentHost: serverHost,
      });
    },
    agent(agentId: string, healthPort?: number) {
      const inside = network ? ['nsenter', `--net=${network.path}`] : [];
      const program = [...inside, ...launched(combination.agent, 'agent'), ...protocolArguments(combination)];
      const options = { ...files, ports, serverHealthPort: ports.health, agentId, serverHost };
      return startAgent(program, healthPort === undefined ? options : { ...options, healthPort });
    },
  };
  const agentHealthPort = await freePort();
  const startFirstAgent = async () => {
    running.agent = await start.agent('agent-1', agentHealthPort);
  };
  await start.server();
  await startFirstAgent();
  const resources = opened.move();
  return {
    files,
    ports,
    address: { path },
    open: combination.mode === 'grpc' ? grpcTunnels({ path }) : httpTunnels({ path }),
    get server() {
      return started(running.server);
    },
    get agent() {
      return started(running.agent);
    },
    metric: (name) => scrape(ports.health, `konnectivity_network_proxy_server_${name}`),
    agentMetric: (name) => scrape(agentHealthPort, `konnectivity_network_proxy_agent_${name}`),
    startServer: start.server,
    startAgent: startFirstAgent,
    addAgent: (agentId) => start.agent(agentId),
    kill: (end) => started(running[end]).kill(),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

const launcher = join(import.meta.dirname, '../../bin/fairlead');
const profileFolder = process.env['FAIRLEAD_TUNNEL_PROFILE'];

function started(peer: PeerProcess | undefined): PeerProcess {
  if (!peer) throw new Error('It was not started');
  return peer;
}

/** Ours as its launcher runs it. `FAIRLEAD_TUNNEL_PROFILE=<folder>` writes CPU profiles of both ends there. */
function launched(maker: Maker, part: 'server' | 'agent'): readonly string[] {
  const [program = '', ...rest] = konnectivityProgram(maker, part) ?? [];
  if (maker === 'upstream') return [program, ...rest];
  if (!profileFolder) return ['/bin/sh', launcher, `konnectivity-${part}`];
  const name = `--cpu-prof-name=${part}-${Date.now()}.cpuprofile`;
  return [program, '--cpu-prof', `--cpu-prof-dir=${profileFolder}`, name, ...rest];
}

/** Our agent offers both protocols and our server takes the native one, unless it is told otherwise. */
function protocolArguments({ agent, protocol }: Combination): readonly string[] {
  return agent === 'ours' && protocol === 'konnectivity' ? ['--upstream-protocol-only'] : [];
}

/** The sum over all labels of one metric; 0 where it is not there. */
export async function scrape(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );
}

/** Asks until it is so. What other processes do has no event here. @throws after `timeoutMs` with what was last seen */
export async function eventually<T>(
  look: () => Promise<T>,
  isGood: (seen: T) => boolean,
  { what, timeoutMs = 20_000 }: { what: string; timeoutMs?: number },
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (isGood(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(seen)} after ${timeoutMs} ms`);
    await wait(100);
  }
}
