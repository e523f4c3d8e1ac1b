import type { ApiClient } from '../client/client.ts';
import { rejectOnAbort, TaskGroup } from '../lib/async.ts';
import { type Clock, systemClock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { ClusterFeed } from './cluster-feed.ts';
import type { KubeProxyConfig } from './kube-proxy-config.ts';
import { Nft } from './nftables/nft.ts';
import { NftablesProxier } from './nftables/nftables-proxier.ts';
import { type Probe, probeNftables } from './nftables/probe.ts';
import type { Proxier, ProxyMode, ServedPort } from './proxier.ts';
import { SyncLoop } from './sync-loop.ts';

export interface KubeProxyOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  readonly metrics?: Metrics;
  /** Bounds the start. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface KubeProxy extends AsyncDisposable {
  readonly mode: ProxyMode;
  /** Why this mode, in words for the operator. */
  readonly reason: string;
  /** Resolves when all Services of the start are in force; rejects if the proxy is disposed before. */
  readonly synced: Promise<void>;
  /** Resolves when all that had changed before this call is in force. */
  settled(): Promise<void>;
  ports(): readonly ServedPort[];
}

/** Makes this node answer for the cluster's Services until it is disposed. Kernel rules stay after that, so that connections live on. */
export async function runKubeProxy(config: KubeProxyConfig, options: KubeProxyOptions): Promise<KubeProxy> {
  const { client, metrics = new Metrics(), clock = systemClock } = options;
  void metrics;
  const log = options.log.with({ component: 'kube-proxy' });
  const nft = new Nft(config.commandPrefix);
  const probe = await probeNftables(nft);
  if (!probe.usable) throw new Error(probe.reason);
  const proxier: Proxier = new NftablesProxier({ config, nft, families: probe.families, log, clock });
  const reason = reasonOf(config, probe);
  log.info('Serving Services', { mode: proxier.mode, reason });

  await using parts = new AsyncDisposableStack();
  parts.use(proxier);
  const first = Promise.withResolvers<void>();
  first.promise.catch(() => {}); // Nobody has to await it.
  const feed = parts.use(
    new ClusterFeed({
      client,
      log,
      nodeName: config.nodeName,
      ...(config.nodeAddresses && { nodeAddresses: config.nodeAddresses }),
      ...(config.serviceCidrs && { serviceCidrs: config.serviceCidrs }),
      onChange: (change) => loop.request(change.kind === 'all' ? 'all' : change.key),
    }),
  );
  const loop: SyncLoop = new SyncLoop({
    proxier,
    state: feed,
    clock,
    log,
    minSyncIntervalMs: config.minSyncIntervalMs ?? 10,
    syncIntervalMs: config.syncIntervalMs ?? 30_000,
    fullSyncIntervalMs: config.fullSyncIntervalMs ?? 3_600_000,
    onSync: ({ error }) => {
      if (error === undefined) first.resolve();
    },
  });
  const tasks = parts.use(new TaskGroup({ onError: (error) => log.error('The proxy failed', { error }) }));
  tasks.run(async (signal) => {
    await Promise.race([feed.synced, rejectOnAbort(signal, signal)]);
    await loop.run(signal);
  });
  tasks.run((signal) => feed.followServiceCidrs(signal));
  parts.defer(() => first.reject(new Error('The proxy was closed')));
  const owned = parts.move();
  return {
    mode: proxier.mode,
    reason,
    synced: first.promise,
    settled: () => loop.settled(),
    ports: () => proxier.ports(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function reasonOf({ mode }: KubeProxyConfig, probe: Probe): string {
  if (mode === 'nftables') return 'kernel rules were asked for';
  return probe.usable ? `kernel rules can be written (${probe.families.join(', ')})` : probe.reason;
}
