import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { setTimeout as wait } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../lib/log.ts';
import { type Metrics, metricsContentType } from '../../lib/metrics.ts';
import type { Dial } from '../../stream/dial.ts';
import { nativeProtocol } from '../native/native-protocol.ts';
import { SlowReaders } from '../native/slow-readers.ts';
import { listenPlain, type PlainHandler } from '../plain-listener.ts';
import { QueueBudget } from '../queue-budget.ts';
import type { AgentUser } from './agent-peer.ts';
import { AgentService } from './agent-service.ts';
import { BackendRegistry } from './backend-registry.ts';
import { listenConnect } from './connect-frontend.ts';
import { DialError } from './dial-error.ts';
import { type TunnelDialer, tunnelDialer } from './dialer.ts';
import { grpcFrontend } from './grpc-frontend.ts';
import { listenGrpc, type RunningListener } from './grpc-listener.ts';
import { Peers } from './peers.ts';
import { peerDialPath } from './peers-protocol.ts';
import { peerService } from './peers-service.ts';
import type { FrontendConfig, KonnectivityConfig } from './server-config.ts';
import { ServerMetrics } from './server-metrics.ts';
import type { ServerTls } from './server-tls.ts';

export type { KonnectivityConfig } from './server-config.ts';

export interface KonnectivityServer extends AsyncDisposable {
  /** Dials through an agent: for this process. */
  readonly dial: Dial;
  /** 0 where all agents come by listeners of somebody else's. */
  readonly agentPort: number;
  /** ALPN id of the native tunnel, for listeners of somebody else's. */
  readonly protocol: string;
  /** Takes a connection on which {@link protocol} was chosen, from an agent that is authenticated as `user`. */
  acceptNative(socket: TLSSocket, user: AgentUser): void;
  /** Takes a call of upstream's `/AgentService/Connect` from an agent that is authenticated as `user`. */
  serveAgentStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, user: AgentUser): void;
  /** 0 where the front end is a Unix socket, or there is none. */
  readonly frontendPort: number;
  readonly healthPort: number;
  readonly adminPort: number;
  /** Whether an agent is connected, as the first strategy sees it. */
  readonly ready: boolean;
  /** The ids of the connected agents. */
  agents(): string[];
  /** How many connections the agent of each node carries now; a node without an agent is absent. */
  nodeConnections(): ReadonlyMap<string, number>;
  /** Turns unready, takes no new dials but for other servers' agents, and waits until no connection is left, at most so long. */
  drain(timeoutMs: number): Promise<void>;
  /** For new connections; those that are open keep what they have. */
  updateTls(tls: { readonly agents?: ServerTls; readonly frontend?: ServerTls }): void;
}

export interface KonnectivityServerOptions {
  readonly log: Logger;
  /** Ends the start; disposal ends what runs. */
  readonly signal: AbortSignal;
  readonly metrics: Metrics;
}

const hour = 3_600_000;
const pingTimeoutMs = 20_000;

/** Starts the Konnectivity server: agents, front end, health and admin ports. Works with upstream's agents and clients. */
export async function listenKonnectivity(
  config: KonnectivityConfig,
  { log, signal, metrics }: KonnectivityServerOptions,
): Promise<KonnectivityServer> {
  signal.throwIfAborted();
  await using opened = new AsyncDisposableStack();
  const serverMetrics = new ServerMetrics(metrics);
  const registry = new BackendRegistry(config.strategies ?? ['default']);
  const budget = new QueueBudget(config.queues);
  const { serverId, serverCount = 1 } = config;
  const dialTimeoutMs = config.dialTimeoutMs || 60_000;
  let draining = false;
  const slowReaders = new SlowReaders(budget, {
    onStalled: (stalled) => {
      serverMetrics.stalledConnections.inc();
      const { address: target, queuedBytes } = stalled;
      log.warn('Connection closed: its reader is far behind another server', { address: target, queuedBytes });
    },
  });
  const common = { serverId, slowReaders, log };
  const peers = config.peers && opened.use(new Peers(config.peers, { ...common, metrics }));
  const dialer = { registry, metrics: serverMetrics, log, dialTimeoutMs, draining: () => draining };
  const dial = tunnelDialer({ ...dialer, forward: peers && ((forwarded) => peers.dial(forwarded)) });
  const names = config.peers?.credentials().names ?? [];
  const forPeers = config.peers && peerService({ ...common, names, dial: tunnelDialer(dialer) });

  const { nodeAddresses } = config;
  const claimRules = config.trustIdentifiers ? undefined : nodeAddresses ? { nodeAddresses } : {};
  const service = new AgentService({
    ...dialer,
    serverId,
    serverCount,
    budget,
    tokens: config.agents?.tokens,
    claimRules,
  });
  opened.defer(() => service.close());
  const agents =
    config.agents &&
    opened.use(
      await listenGrpc({
        address: config.agents.address,
        tls: config.agents.tls,
        handlers: { '/AgentService/Connect': (stream, headers) => service.serveStream(stream, headers) },
        native: { protocol: nativeProtocol, accept: (socket) => service.acceptNative(socket) },
        ...(forPeers && { streams: { [peerDialPath]: forPeers.handler } }),
        ping: { intervalMs: config.keepaliveMs ?? 10_000, timeoutMs: config.pingTimeoutMs ?? pingTimeoutMs },
        log,
      }),
    );
  const frontend = config.frontend && opened.use(await listenFrontend(config.frontend));
  const isReady = () => registry.ready && !draining;
  const scrape: PlainHandler = async () => ({ status: 200, body: await metrics.render(), type: metricsContentType });
  const readiness: PlainHandler = () =>
    isReady() ? { status: 200, body: 'ok' } : { status: 500, body: 'no connection to any proxy agent' };
  const health =
    config.health &&
    opened.use(
      await listenPlain(config.health, {
        '/healthz': () => ({ status: 200, body: 'ok' }),
        '/readyz': readiness,
        '/ready': readiness,
        '/metrics': scrape,
      }),
    );
  const admin =
    config.admin && opened.use(await listenPlain(config.admin, { ...config.adminRoutes, '/metrics': scrape }));
  const resources = opened.move();

  function listenFrontend({ mode, address: at, tls: frontendTls }: FrontendConfig): Promise<RunningListener> {
    const place = { address: at, tls: frontendTls, log };
    if (mode === 'http-connect') return listenConnect({ ...place, dial, metrics: serverMetrics });
    const handlers = { '/ProxyService/Proxy': grpcFrontend({ dial, metrics: serverMetrics }) };
    const ping = { intervalMs: config.frontendKeepaliveMs ?? hour, timeoutMs: pingTimeoutMs };
    return listenGrpc({ ...place, handlers, ping });
  }

  return {
    dial: dialThrough(dial),
    agentPort: agents?.port ?? 0,
    protocol: nativeProtocol,
    acceptNative: (socket, user) => service.acceptNative(socket, user),
    serveAgentStream: (stream, headers, user) => service.serveStream(stream, headers, user),
    frontendPort: frontend?.port ?? 0,
    healthPort: health?.port ?? 0,
    adminPort: admin?.port ?? 0,
    get ready() {
      return isReady();
    },
    nodeConnections() {
      const counts = new Map<string, number>();
      for (const { nodeName, connections } of registry.backends()) {
        if (nodeName !== undefined) counts.set(nodeName, (counts.get(nodeName) ?? 0) + connections);
      }
      return counts;
    },
    agents: () => [...registry.backends()].map((backend) => backend.agentId),
    async drain(timeoutMs) {
      draining = true;
      for (const backend of registry.backends()) backend.announceDraining();
      const deadline = performance.now() + timeoutMs;
      const here = () => [...registry.backends()].some((backend) => backend.connections > 0);
      const busy = () => here() || (peers?.connections ?? 0) > 0;
      while (busy() && performance.now() < deadline) await wait(100, undefined, { ref: false });
    },
    updateTls({ agents: agentTls, frontend: frontendTls }) {
      if (agentTls) agents?.updateTls(agentTls);
      if (frontendTls) frontend?.updateTls(frontendTls);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

/** The dialer in the API server's terms. A failure names the hop. */
function dialThrough(dial: TunnelDialer): Dial {
  return async ({ host, port, node }, { signal, onRoute }) => {
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    try {
      return await dial({
        protocol: 'tcp',
        address,
        signal,
        node,
        onAgent: (via) => onRoute?.({ kind: 'tunnel', via }),
      });
    } catch (error) {
      if (error instanceof DialError && error.reason === 'canceled') throw signal.reason;
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`Cannot dial ${address} through the Konnectivity tunnel: ${message}`, { cause: error });
    }
  };
}
