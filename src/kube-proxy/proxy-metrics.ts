import type { Counter, Gauge, Histogram, Metrics } from '../lib/metrics.ts';
import type { ProxyState } from './proxy-state.ts';
import type { Family } from './service-port.ts';
import type { SyncOutcome } from './sync-loop.ts';

const seconds = [
  0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384,
];

/** Upstream's metrics of kube-proxy, as far as they mean something here. */
export class ProxyMetrics {
  readonly #sync: Record<'any' | 'full' | 'partial', Histogram>;
  readonly #network: Histogram;
  readonly #lastSync: Gauge;
  readonly #lastQueued: Gauge;
  readonly #failures: Counter;
  readonly #changes: Record<'service' | 'endpoints', { total: Counter; pending: Gauge }>;
  readonly #probes: Record<'healthz' | 'livez', Counter>;
  readonly #flowsForgotten: Counter;
  readonly #flowsSeconds: Histogram;

  constructor(metrics: Metrics, mode: string) {
    const sync = (name: string, help: string) =>
      metrics.histogram({ name: `kubeproxy_${name}`, help, buckets: seconds });
    this.#sync = {
      any: sync('sync_proxy_rules_duration_seconds', 'How long a sync took'),
      full: sync('sync_full_proxy_rules_duration_seconds', 'How long a sync of all Services took'),
      partial: sync('sync_partial_proxy_rules_duration_seconds', 'How long a sync of changed Services took'),
    };
    this.#network = sync('network_programming_duration_seconds', 'Between a change seen and the change in force');
    const gauge = (name: string, help: string) => metrics.gauge({ name: `kubeproxy_${name}`, help });
    const counter = (name: string, help: string, labels: readonly string[] = []) =>
      metrics.counter({ name: `kubeproxy_${name}`, help, labels });
    this.#lastSync = gauge('sync_proxy_rules_last_timestamp_seconds', 'When a sync succeeded last');
    this.#lastQueued = gauge('sync_proxy_rules_last_queued_timestamp_seconds', 'When a sync was asked for last');
    this.#failures = counter(`sync_proxy_rules_${mode}_sync_failures_total`, 'Syncs that failed');
    this.#changes = {
      service: {
        total: counter('sync_proxy_rules_service_changes_total', 'Changes of Services'),
        pending: gauge('sync_proxy_rules_service_changes_pending', 'Changes of Services that wait'),
      },
      endpoints: {
        total: counter('sync_proxy_rules_endpoint_changes_total', 'Changes of endpoints'),
        pending: gauge('sync_proxy_rules_endpoint_changes_pending', 'Changes of endpoints that wait'),
      },
    };
    this.#probes = {
      healthz: counter('proxy_healthz_total', 'Answers of /healthz', ['code']),
      livez: counter('proxy_livez_total', 'Answers of /livez', ['code']),
    };
    this.#flowsForgotten = counter('conntrack_reconciler_deleted_entries_total', 'Flows forgotten', ['ip_family']);
    this.#flowsSeconds = metrics.histogram({
      name: 'kubeproxy_conntrack_reconciler_sync_duration_seconds',
      help: 'How long flows were looked through',
      labels: ['ip_family'],
      buckets: seconds,
    });
  }

  /** Ports of each policy that have endpoints somewhere but none here, counted at each scrape. */
  followLocalEndpoints(metrics: Metrics, state: ProxyState): void {
    metrics.gauge({
      name: 'kubeproxy_sync_proxy_rules_no_local_endpoints_total',
      help: 'Ports under a Local policy without an endpoint on this node',
      labels: ['traffic_policy'],
      collect: (gauge) => {
        const counts = { internal: 0, external: 0 };
        for (const key of state.serviceKeys()) {
          for (const { port, local, hasAny } of state.portsOf(key)) {
            if (!hasAny || local.length > 0) continue;
            if (port.internalLocal) counts.internal++;
            if (port.externalLocal) counts.external++;
          }
        }
        for (const [policy, count] of Object.entries(counts)) gauge.set({ traffic_policy: policy }, count);
      },
    });
  }

  onChange(kind: 'service' | 'endpoints', nowMs: number): void {
    this.#changes[kind].total.inc();
    this.#changes[kind].pending.inc();
    this.#lastQueued.set(nowMs / 1000);
  }

  onSync({ changed, waitedMs, durationMs, error }: SyncOutcome, nowMs: number): void {
    if (error !== undefined) {
      this.#failures.inc();
      return;
    }
    this.#sync.any.observe(durationMs / 1000);
    this.#sync[typeof changed === 'string' ? 'full' : 'partial'].observe(durationMs / 1000);
    this.#network.observe(waitedMs / 1000);
    this.#lastSync.set(nowMs / 1000);
    for (const { pending } of Object.values(this.#changes)) pending.set(0);
  }

  readonly onFlowsForgotten = (family: Family, { count, durationMs }: { count: number; durationMs: number }): void => {
    this.#flowsForgotten.inc({ ip_family: family }, count);
    this.#flowsSeconds.observe({ ip_family: family }, durationMs / 1000);
  };

  onProbe(path: 'healthz' | 'livez', code: number): void {
    this.#probes[path].inc({ code: String(code) });
  }
}
