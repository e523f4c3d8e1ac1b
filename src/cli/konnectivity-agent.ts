import { setTimeout as wait } from 'node:timers/promises';
import { ConfigError } from '../lib/config-error.ts';
import { Metrics } from '../lib/metrics.ts';
import type { AgentConfig, AgentServer, AgentTls } from '../tunnel/agent/agent-config.ts';
import { listenAgentProbes } from '../tunnel/agent/agent-probes.ts';
import { openThroughProxy, proxyFor } from '../tunnel/agent/proxy-from-environment.ts';
import { KonnectivityAgent } from '../tunnel/agent/run-agent.ts';
import { type LeaseCounter, serverCount } from '../tunnel/leases/lease-counter.ts';
import { type WatchedLeases, watchLeases } from '../tunnel/leases/watch-leases.ts';
import { profilingRoutes } from '../tunnel/profiling-routes.ts';
import { type CommandSpec, exitCodes } from './command.ts';
import { interrupted } from './foreground.ts';
import { konnectivityAgentOptions } from './konnectivity-agent-flags.ts';
import { type ParsedAgent, parseKonnectivityAgent } from './konnectivity-agent-options.ts';
import { type CredentialTexts, watchCredentials } from './konnectivity-credentials.ts';
import { openKlog } from './konnectivity-options.ts';
import { limitRate } from './rate-limited-client.ts';
import { connectByKubeconfigOrPod } from './token-review.ts';

/** After the first signal the agent serves on until it has been idle for so long, and at most below Kubernetes' own patience of 30 s. */
const idleMs = 5_000;
const drainMs = 25_000;

export const konnectivityAgent: CommandSpec = {
  name: 'konnectivity-agent',
  summary: 'Run a Konnectivity agent, in the place of upstream’s proxy-agent',
  description:
    'Holds a connection to each Konnectivity server and opens connections from this machine for it. Flags have the names and meanings of proxy-agent.',
  options: konnectivityAgentOptions,
  run: async ({ options, signal }) => {
    const parsed = parseKonnectivityAgent(options);
    const { leases: leaseSettings, health, admin } = parsed;
    const log = openKlog(options);
    const metrics = new Metrics();
    await using opened = new AsyncDisposableStack();
    const files = opened.use(await watchCredentials(parsed.files, { log }));
    let leases: WatchedLeases | undefined;
    if (leaseSettings) {
      const client = opened.use(await connectByKubeconfigOrPod(parsed.api.kubeconfig));
      const limited = limitRate(client, parsed.api.limit);
      leases = opened.use(watchLeases({ client: limited, ...leaseSettings, metrics, log }));
    }
    const config: AgentConfig = {
      ...parsed.config,
      ...places(parsed, leases?.counter),
      // Asked for at each connect, so that renewed certificates are used.
      get tls() {
        return agentTls(files.value, parsed.alpnProtocols);
      },
      openSocket: async (server, { signal: stop }) => {
        const proxy = proxyFor(server, process.env);
        return proxy && openThroughProxy(proxy, server, { signal: stop });
      },
    };
    const agent = opened.use(new KonnectivityAgent(config, { log, metrics }));
    leases?.subscribe(() => agent.recount());
    const adminRoutes = parsed.profiling ? profilingRoutes() : {};
    opened.use(await listenAgentProbes({ agent, metrics, health, admin, adminRoutes }));
    await interrupted(signal);
    agent.drain();
    await untilIdle(agent);
    return exitCodes.ok;
  },
};

/** Where the servers are: those of the flag, each known by its own name, or those of the leases, known by the name in the flag. */
function places(
  { servers, countSource }: ParsedAgent,
  counter: LeaseCounter | undefined,
): Pick<AgentConfig, 'server' | 'addresses' | 'wantedServers'> {
  const [server, ...others] = servers;
  const leased = (): readonly AgentServer[] =>
    (counter?.addresses() ?? []).map((address) => ({ ...address, serverName: server.host }));
  return {
    server,
    addresses: () => (others.length > 0 ? servers : leased()),
    wantedServers: (announced) => {
      if (others.length > 0 && !counter) return servers.length;
      return serverCount(countSource, { announced, leased: counter?.count() });
    },
  };
}

function agentTls({ certificate, key, ca }: CredentialTexts, alpnProtocols: readonly string[]): AgentTls {
  if (ca === undefined) throw new ConfigError('--ca-cert is required');
  return {
    ca,
    alpnProtocols,
    ...(certificate !== undefined && key !== undefined && { certificate: { certificate, key } }),
  };
}

async function untilIdle(agent: KonnectivityAgent): Promise<void> {
  const startedMs = performance.now();
  let busyMs = startedMs;
  while (performance.now() - busyMs < idleMs && performance.now() - startedMs < drainMs) {
    await wait(100);
    if (agent.connections > 0) busyMs = performance.now();
  }
}
