import type { Metrics } from '../lib/metrics.ts';
import type { DialRoute } from '../stream/dial.ts';

/** How one dial ended. `refused`: no route that may be taken. */
export type DialResult = 'success' | 'failure' | 'canceled' | 'refused';

/** Where a dial through a proxy server failed: on the way to the proxy, or at it. */
export type ProxyStage = 'connect' | 'proxy';

export interface ProxyLabels {
  readonly protocol: 'http_connect' | 'grpc';
  readonly transport: 'tcp' | 'uds';
}

/** Upstream's metrics of proxied dials, and ours of all of them. */
export class EgressMetrics {
  readonly #starts;
  readonly #durations;
  readonly #failures;
  readonly #dials;
  readonly #streams;

  constructor(metrics: Metrics) {
    const labels = ['protocol', 'transport'];
    this.#starts = metrics.counter({
      name: 'apiserver_egress_dialer_dial_start_total',
      help: 'Dial starts, labeled by the protocol (http-connect or grpc) and transport (tcp or uds).',
      labels,
    });
    this.#durations = metrics.histogram({
      name: 'apiserver_egress_dialer_dial_duration_seconds',
      help: 'Dial latency histogram in seconds, labeled by the protocol (http-connect or grpc), transport (tcp or uds)',
      labels,
      buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 12.5],
    });
    this.#failures = metrics.counter({
      name: 'apiserver_egress_dialer_dial_failure_count',
      help: 'Dial failure count, labeled by the protocol (http-connect or grpc), transport (tcp or uds), and stage (connect or proxy). The stage indicates at which stage the dial failed',
      labels: [...labels, 'stage'],
    });
    this.#dials = metrics.counter({
      name: 'fairlead_egress_dials_total',
      help: 'Dials of the control plane towards nodes, pods, Services and named servers, by route and result.',
      labels: ['route', 'result'],
    });
    this.#streams = metrics.gauge({
      name: 'fairlead_egress_open_streams',
      help: 'Streams that the control plane dialled and that are open, by route.',
      labels: ['route'],
    });
  }

  /** Counts the start of a dial through a proxy server. */
  startProxied(labels: ProxyLabels): void {
    this.#starts.inc({ ...labels });
  }

  finishProxied(labels: ProxyLabels, { seconds }: { seconds: number }): void {
    this.#durations.observe({ ...labels }, seconds);
  }

  failProxied(labels: ProxyLabels, stage: ProxyStage): void {
    this.#failures.inc({ ...labels, stage });
  }

  /** Counts a dial that is over. `route` is `none` where none may be taken. */
  count(route: DialRoute['kind'] | 'none', result: DialResult): void {
    this.#dials.inc({ route, result });
  }

  /** Counts one open stream until the caller disposes. */
  open(route: DialRoute['kind']): () => void {
    this.#streams.inc({ route });
    return () => this.#streams.dec({ route });
  }
}
