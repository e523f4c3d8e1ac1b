import type { ApiClient } from '../client/client.ts';
import { rejectOnAbort, TaskGroup } from '../lib/async.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { ClusterFeed } from './cluster-feed.ts';
import { listenProxyMetrics } from './health/metrics-server.ts';
import { isProxyAlive, listenProxyHealth, type ProxyHealth } from './health/proxy-health.ts';
import { ServiceHealthServers } from './health/service-health.ts';
import type { KubeProxyConfig, ListenAddress } from './kube-proxy-config.ts';
import { Nft } from './nftables/nft.ts';
import { NftablesProxier } from './nftables/nftables-proxier.ts';
import { probeNftables } from './nftables/probe.ts';
import type { ChangedServices, Proxier, ProxyMode, ServedPort } from './proxier.ts';
import { ProxyMetrics } from './proxy-metrics.ts';
import { SyncLoop } from './sync-loop.ts';
import { UserspaceProxier } from './userspace/userspace-proxier.ts';

export interface KubeProxyOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  readonly metrics?: Metrics;
  readonly clock?: Clock;
  /** Bounds the start: disposal ends what was started. */
  readonly signal?: AbortSignal;
}

export interface KubeProxy extends AsyncDisposable {
  readonly mode: ProxyMode;
  /** Why this mode, in words for the operator. */
  readonly reason: string;
  /** Resolves when all Services of the start are in force; rejects if the proxy is disposed before. */
  readonly synced: Promise<void>;
  /** Where `/healthz` and `/metrics` are, with the ports that were chosen for 0. */
  readonly healthz: ListenAddress | undefined;
  readonly metricsAddress: ListenAddress | undefined;
  /** Resolves when nothing that is known has still to be written. */
  settled(): Promise<void>;
  ports(): readonly ServedPort[];
}

/** Makes this node answer for the cluster's Services until it is disposed. Kernel rules stay after that, so that connections live on. */
export async function runKubeProxy(config: KubeProxyConfig, options: KubeProxyOptions): Promise<KubeProxy> {
  const { client, metrics = new Metrics(), clock = systemClock, signal: starting } = options;
  const log = options.log.with({ component: 'kube-proxy' });
  await using parts = new AsyncDisposableStack();
  const { proxier, reason, measure } = await chooseProxier(config, { log, clock, metrics });
  parts.use(proxier);
  starting?.throwIfAborted();
  log.info('Serving Services', { mode: proxier.mode, reason });

  const first = Promise.withResolvers<void>();
  first.promise.catch(() => {}); // Nobody has to await it.
  let lastSyncMs: number | undefined;
  const feed = parts.use(
    new ClusterFeed({
      client,
      clock,
      log,
      nodeName: config.nodeName,
      ...(config.nodeAddresses && { nodeAddresses: config.nodeAddresses }),
      ...(config.serviceCidrs && { serviceCidrs: config.serviceCidrs }),
      onChange: (change) => {
        if (change.kind !== 'all') measure.onChange(change.kind, clock.now());
        loop.request(change.kind === 'all' ? 'all' : change.key);
      },
    }),
  );
  measure.followLocalEndpoints(metrics, feed);
  const health: ProxyHealth = {
    clock,
    pendingSinceMs: () => loop.pendingSinceMs,
    lastSyncMs: () => lastSyncMs,
    node: () => feed.node,
  };
  const serviceHealth = parts.use(
    new ServiceHealthServers({ host: config.healthz?.host ?? '', log, isProxyHealthy: () => isProxyAlive(health) }),
  );
  const updateServiceHealth = async (changed: ChangedServices) => {
    const all = () => new Set([...feed.serviceKeys(), ...serviceHealth.keys()]);
    for (const key of typeof changed === 'string' ? all() : changed) {
      await serviceHealth.update(key, feed.service(key), () => feed.portsOf(key));
    }
  };
  const loop: SyncLoop = new SyncLoop({
    proxier,
    state: feed,
    clock,
    log,
    minSyncIntervalMs: config.minSyncIntervalMs ?? 10,
    syncIntervalMs: config.syncIntervalMs ?? 30_000,
    fullSyncIntervalMs: config.fullSyncIntervalMs ?? 3_600_000,
    onSync: async (outcome) => {
      measure.onSync(outcome, clock.now());
      if (outcome.error !== undefined) return;
      lastSyncMs = clock.now();
      first.resolve();
      await updateServiceHealth(outcome.changed);
    },
  });
  const onProbe = measure.onProbe.bind(measure);
  const healthz = config.healthz && parts.use(await listenProxyHealth(config.healthz, { health, onProbe }));
  const served =
    config.metricsAddress && parts.use(await listenProxyMetrics(config.metricsAddress, { metrics, proxier, config }));
  const tasks = parts.use(new TaskGroup({ onError: (error) => log.error('The proxy failed', { error }) }));
  tasks.run(async (signal) => {
    await Promise.race([feed.synced, rejectOnAbort(signal, signal)]);
    await loop.run(signal);
  });
  tasks.run((signal) => feed.followServiceCidrs(signal));
  parts.defer(() => first.reject(new Error('The proxy was closed')));
  starting?.throwIfAborted();
  const owned = parts.move();
  return {
    mode: proxier.mode,
    reason,
    synced: first.promise,
    healthz: healthz?.address,
    metricsAddress: served?.address,
    settled: () => loop.settled(),
    ports: () => proxier.ports(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Kernel rules where they can be written, unless the configuration says otherwise. */
async function chooseProxier(
  config: KubeProxyConfig,
  { log, clock, metrics }: { log: Logger; clock: Clock; metrics: Metrics },
): Promise<{ proxier: Proxier; reason: string; measure: ProxyMetrics }> {
  const userspace = (reason: string) => {
    const proxier = new UserspaceProxier({ config, log, clock });
    return { proxier, reason, measure: new ProxyMetrics(metrics, proxier.mode) };
  };
  if (config.mode === 'userspace') return userspace('user-space listeners were asked for');
  const nft = new Nft(config.commandPrefix);
  const probe = await probeNftables(nft);
  if (probe.usable) {
    const measure = new ProxyMetrics(metrics, 'nftables');
    const { families } = probe;
    const proxier = new NftablesProxier({
      config,
      nft,
      families,
      log,
      clock,
      onFlowsForgotten: measure.onFlowsForgotten,
    });
    return { proxier, measure, reason: `kernel rules can be written (${families.join(', ')})` };
  }
  if (config.mode === 'nftables') {
    throw new ConfigError(`Proxy mode nftables: kernel rules cannot be written here: ${probe.reason}`);
  }
  return userspace(`kernel rules cannot be written: ${probe.reason}`);
}
