import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../lib/config-error.ts';
import type { AgentConfig } from '../tunnel/agent/agent-config.ts';
import { parseAgentIdentifiers } from '../tunnel/agent-identifiers.ts';
import type { PlainAddress } from '../tunnel/server/server-config.ts';
import type { OptionSpec, OptionValues } from './command.ts';
import { booleanFlag, chooseId, klogOptions, parsePositive, readFlagFile, valueFlag } from './konnectivity-options.ts';

/** Flags of upstream's `proxy-agent`, with its names, defaults and meanings. */
export const konnectivityAgentOptions: readonly OptionSpec[] = [
  valueFlag('agent-cert', "The agent's certificate", ''),
  valueFlag('agent-key', 'Its key', ''),
  valueFlag('ca-cert', 'Who the server must have a certificate of', ''),
  valueFlag('proxy-server-host', 'Where the server is', '127.0.0.1'),
  valueFlag('proxy-server-port', "The server's port for agents", '8091'),
  valueFlag('alpn-proto', 'Further ALPN names, offered before h2', ''),
  valueFlag('health-server-host', 'Address for probes and metrics (default: all)', ''),
  valueFlag('health-server-port', 'Port for probes and metrics', '8093'),
  valueFlag('admin-bind-address', 'Address for administration', '127.0.0.1'),
  valueFlag('admin-server-port', 'Port for administration', '8094'),
  booleanFlag('enable-profiling', 'Taken and without effect'),
  booleanFlag('enable-contention-profiling', 'Taken and without effect'),
  valueFlag('agent-id', 'Name of this agent (default: PROXY_AGENT_ID, else a new UUID)', ''),
  valueFlag('agent-identifiers', 'What it can reach: host=a&ipv4=10.0.0.1&default-route=true', ''),
  valueFlag('sync-interval', 'Time between attempts to find servers', '1s'),
  valueFlag('sync-interval-cap', 'Where its growth after failures ends', '10s'),
  valueFlag('probe-interval', 'Taken; a lost server is noticed at once', '1s'),
  booleanFlag('upstream-protocol-only', "Speaks upstream's protocol also with servers that know the native one"),
  booleanFlag('sync-forever', 'Goes on looking for servers when it has enough'),
  valueFlag('keepalive-time', 'How often an idle server is pinged', '35s'),
  valueFlag('service-account-token-path', 'Token that is shown to the server', ''),
  booleanFlag('warn-on-channel-limit', 'Taken and without effect'),
  valueFlag('xfr-channel-size', 'Taken; queues here are bounded in bytes', '150'),
  booleanFlag('count-server-leases', 'Not supported yet: servers tell how many they are'),
  valueFlag('lease-namespace', 'Without effect as long as leases are not supported', 'kube-system'),
  valueFlag('lease-label', 'Without effect as long as leases are not supported', 'k8s-app=konnectivity-server'),
  valueFlag(
    'lease-label-selector',
    'Without effect as long as leases are not supported',
    'k8s-app=konnectivity-server',
  ),
  valueFlag('server-count-source', 'Where the number of servers comes from: default or max', 'default'),
  valueFlag('kubeconfig', 'Without effect as long as leases are not supported', ''),
  valueFlag('kube-api-content-type', 'Taken and without effect', 'application/vnd.kubernetes.protobuf'),
  ...klogOptions,
];

export interface ParsedAgent {
  readonly config: AgentConfig;
  readonly health: PlainAddress;
  readonly admin: PlainAddress;
}

/** grpc-go pings no more often, and upstream's servers allow one each 30 s. */
const minKeepaliveMs = 30_000;

/** @throws {ConfigError} with upstream's texts */
export function parseKonnectivityAgent(options: OptionValues): ParsedAgent {
  const text = (name: string) => options.text(name) ?? '';
  const port = (name: string, what: string) => parsePositive(options, { name, what });
  if (options.flag('countServerLeases')) {
    throw new ConfigError('--count-server-leases: server leases are not supported; servers tell their number');
  }
  if (!['', 'default', 'max'].includes(text('serverCountSource'))) {
    throw new ConfigError(
      `--server-count-source must be one of '', 'default', 'max', got ${text('serverCountSource')}`,
    );
  }
  if (!text('agentCert') !== !text('agentKey')) throw new ConfigError('agent-cert and agent-key must be set together');
  if (!text('caCert')) throw new ConfigError('--ca-cert is required');
  port('xfrChannelSize', 'channel size');
  parseAgentIdentifiers(text('agentIdentifiers'), { strict: true });
  const syncIntervalMs = options.durationMs('syncInterval') ?? 1000;
  const syncIntervalCapMs = options.durationMs('syncIntervalCap') ?? 10_000;
  if (syncIntervalMs > syncIntervalCapMs) {
    throw new ConfigError('sync interval must be less than or equal to sync interval cap');
  }
  const tokenPath = text('serviceAccountTokenPath');
  if (tokenPath && !existsSync(tokenPath))
    throw new ConfigError(`error checking service account token path ${tokenPath}`);
  return {
    health: { host: text('healthServerHost'), port: port('healthServerPort', 'health server port') },
    admin: { host: text('adminBindAddress'), port: port('adminServerPort', 'admin server port') },
    config: {
      agentId: chooseId(options.text('agentId'), 'PROXY_AGENT_ID'),
      identifiers: text('agentIdentifiers'),
      server: { host: text('proxyServerHost'), port: port('proxyServerPort', 'proxy server port') },
      tls: {
        ca: readFlagFile(text('caCert'), 'ca-cert'),
        alpnProtocols: options.list('alpnProto'),
        ...(text('agentCert') && {
          certificate: {
            certificate: readFlagFile(text('agentCert'), 'agent-cert'),
            key: readFlagFile(text('agentKey'), 'agent-key'),
          },
        }),
      },
      syncIntervalMs,
      syncIntervalCapMs,
      syncForever: options.flag('syncForever'),
      upstreamProtocolOnly: options.flag('upstreamProtocolOnly'),
      keepaliveMs: Math.max(minKeepaliveMs, options.durationMs('keepaliveTime') ?? 35_000),
      ...(tokenPath && { readToken: () => readFile(tokenPath, 'utf8') }),
    },
  };
}
