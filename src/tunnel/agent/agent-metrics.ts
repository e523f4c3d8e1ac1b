import type { Counter, Gauge, Histogram, Metrics } from '../../lib/metrics.ts';

const prefix = 'konnectivity_network_proxy_agent_';

/** Upstream's agent metrics by their names and help texts, and one of ours. */
export class AgentMetrics {
  readonly dialDuration: Histogram<string>;
  readonly dialFailures: Counter<string>;
  readonly openServerConnections: Gauge<string>;
  readonly knownServerCount: Gauge<string>;
  readonly openEndpointConnections: Gauge<string>;
  readonly stalledConnections: Counter<string>;
  readonly #serverFailures: Counter<string>;
  readonly #packets: Counter<string>;
  readonly #streamErrors: Counter<string>;

  constructor(metrics: Metrics) {
    const gauge = (name: string, help: string) => metrics.gauge({ name: prefix + name, help });
    const counter = (name: string, help: string, labels: readonly string[] = []) =>
      metrics.counter({ name: prefix + name, help, labels });
    this.dialDuration = metrics.histogram({
      name: `${prefix}dial_duration_seconds`,
      help: 'Latency of dial to the remote endpoint in seconds',
      buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 10, 30],
    });
    this.dialFailures = counter(
      'endpoint_dial_failure_total',
      'Number of failures dialing the remote endpoint, by reason (example: timeout).',
      ['reason'],
    );
    this.openServerConnections = gauge('open_server_connections', 'Current number of open server connections.');
    this.knownServerCount = gauge('known_server_count', 'Current number of known servers.');
    this.openEndpointConnections = gauge('open_endpoint_connections', 'Current number of open endpoint connections.');
    this.stalledConnections = counter(
      'stalled_connections_total',
      'Connections closed because their target took nothing while its queue was full',
    );
    this.#serverFailures = counter(
      'server_connection_failure_count',
      'Count of failures to send to or receive from the proxy server, labeled by direction. DEPRECATED, please use stream_events_error_total',
      ['direction'],
    );
    this.#packets = counter('stream_packets_total', 'Count of packets processed, by segment and packet type', [
      'segment',
      'packet_type',
    ]);
    this.#streamErrors = counter(
      'stream_errors_total',
      'Count of gRPC stream errors, by segment, grpc Code, packet type. (example: segment=from_agent, code=Code(0), packet_type=DIAL_REQ)',
      ['segment', 'code', 'packet_type'],
    );
    this.openServerConnections.set(0);
    this.openEndpointConnections.set(0);
  }

  countPacket(direction: 'in' | 'out', packetType: string): void {
    this.#packets.inc({ segment: direction === 'out' ? 'from_agent' : 'to_agent', packet_type: packetType });
  }

  /** The stream of a server broke; what it would have sent is not known. */
  countServerFailure(): void {
    this.#streamErrors.inc({ segment: 'to_agent', code: 'Unavailable', packet_type: 'Unknown' });
    this.#serverFailures.inc({ direction: 'from_server' });
  }
}
