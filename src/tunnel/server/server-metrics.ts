import type { Counter, Gauge, Histogram, Metrics } from '../../lib/metrics.ts';
import type { DialFailure } from './dial-error.ts';

const prefix = 'konnectivity_network_proxy_server_';
const dialBuckets = [1e-6, 1e-5, 1e-4, 0.005, 0.025, 0.1, 0.5, 2.5, 12.5];
const connectionBuckets = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 14_400, 43_200, 86_400];

export type Segment = 'from_client' | 'to_client' | 'from_agent' | 'to_agent';

/** Upstream's server metrics by their names and help texts, which upstream's tests compare, and one of ours. */
export class ServerMetrics {
  readonly dialDuration: Histogram<string>;
  readonly frontendWriteDuration: Histogram<string>;
  readonly connectionDuration: Histogram<string>;
  readonly grpcConnections: Gauge<string>;
  readonly httpConnections: Gauge<string>;
  readonly readyBackendConnections: Gauge<string>;
  readonly readyBackends: Gauge<string>;
  readonly pendingDials: Gauge<string>;
  readonly establishedConnections: Gauge<string>;
  readonly fullReceiveChannels: Gauge<string>;
  readonly dialFailures: Counter<string>;
  readonly stalledConnections: Counter<string>;
  readonly culledLeases: Counter<string>;
  readonly #packets: Counter<string>;
  readonly #streamErrors: Counter<string>;

  constructor(metrics: Metrics) {
    const gauge = (name: string, help: string, labels: readonly string[] = []) =>
      metrics.gauge({ name: prefix + name, help, labels });
    const counter = (name: string, help: string, labels: readonly string[] = []) =>
      metrics.counter({ name: prefix + name, help, labels });
    const histogram = (name: string, help: string, buckets: readonly number[]) =>
      metrics.histogram({ name: prefix + name, help, buckets });
    this.dialDuration = histogram(
      'dial_duration_seconds',
      'Latency of dial to the remote endpoint in seconds',
      dialBuckets,
    );
    this.frontendWriteDuration = histogram(
      'frontend_write_duration_seconds',
      'Latency of write to the frontend in seconds',
      dialBuckets,
    );
    this.connectionDuration = histogram(
      'connection_duration_seconds',
      'Duration of established end-to-end connections in seconds',
      connectionBuckets,
    );
    this.grpcConnections = gauge(
      'grpc_connections',
      'Number of current grpc connections, partitioned by service method.',
      ['service_method'],
    );
    this.httpConnections = gauge('http_connections', 'Number of current HTTP CONNECT connections');
    this.readyBackendConnections = gauge(
      'ready_backend_connections',
      'Number of konnectivity agent connected to the proxy server. DEPRECATED, please use ready_backends',
    );
    this.readyBackends = gauge('ready_backends', 'Number of konnectivity agent connected to the proxy server', [
      'proxy_strategy',
    ]);
    this.pendingDials = gauge('pending_backend_dials', 'Current number of pending backend dial requests');
    this.establishedConnections = gauge(
      'established_connections',
      'Current number of established end-to-end connections (post-dial).',
    );
    this.fullReceiveChannels = gauge(
      'full_receive_channels',
      'Number of current connections blocked by a full receive channel, partitioned by service method.',
      ['service_method'],
    );
    this.dialFailures = counter(
      'dial_failure_count',
      'Number of dial failures observed. Multiple failures can occur for a single dial request.',
      ['reason'],
    );
    this.stalledConnections = counter(
      'stalled_connections_total',
      'Connections closed because their client took nothing while its queue was full',
    );
    this.culledLeases = counter('culled_leases_count', 'Number of expired leases deleted by the garbage collector');
    this.#packets = counter('stream_packets_total', 'Count of packets processed, by segment and packet type', [
      'segment',
      'packet_type',
    ]);
    this.#streamErrors = counter(
      'stream_errors_total',
      'Count of gRPC stream errors, by segment, code and packet type',
      ['segment', 'code', 'packet_type'],
    );
  }

  countPacket(segment: Segment, packetType: string): void {
    this.#packets.inc({ segment, packet_type: packetType });
  }

  countStreamError(segment: Segment, code: string): void {
    this.#streamErrors.inc({ segment, code, packet_type: 'Unknown' });
  }

  /** `canceled` and `backend_lost` are no reasons of upstream's. */
  countDialFailure(reason: DialFailure): void {
    if (reason === 'canceled') this.dialFailures.inc({ reason: 'frontend_close' });
    else if (reason !== 'backend_lost') this.dialFailures.inc({ reason });
  }
}
