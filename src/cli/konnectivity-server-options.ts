import { existsSync } from 'node:fs';
import { ConfigError } from '../lib/config-error.ts';
import { parseProxyStrategies } from '../tunnel/server/backend-registry.ts';
import type { FrontendConfig, KonnectivityConfig } from '../tunnel/server/server-config.ts';
import type { ServerTls } from '../tunnel/server/server-tls.ts';
import type { OptionSpec, OptionValues } from './command.ts';
import {
  booleanFlag,
  chooseId,
  klogOptions,
  parseNonNegativeDuration,
  parseNumber,
  parsePositive,
  parseServerPort,
  readFlagFile,
  valueFlag,
} from './konnectivity-options.ts';
import { parseCipherSuites, parseTlsVersion } from './konnectivity-tls.ts';

/** Flags of upstream's `proxy-server`, with its names, defaults and meanings. */
export const konnectivityServerOptions: readonly OptionSpec[] = [
  valueFlag('server-cert', 'Serving certificate for frontends', ''),
  valueFlag('server-key', 'Its key', ''),
  valueFlag('server-ca-cert', 'Who frontends must have a certificate of', ''),
  valueFlag('cluster-cert', 'Serving certificate for agents', ''),
  valueFlag('cluster-key', 'Its key', ''),
  valueFlag('cluster-ca-cert', 'Who agents must have a certificate of', ''),
  valueFlag('mode', 'What frontends speak: grpc or http-connect', 'grpc'),
  valueFlag('uds-name', 'Unix socket for frontends, instead of a port', ''),
  booleanFlag('delete-existing-uds-file', 'Delete a file that is in the place of the Unix socket', true),
  valueFlag('server-port', 'Port for frontends; 0 with a Unix socket', '8090'),
  valueFlag('server-bind-address', 'Address for frontends (default: all)', ''),
  valueFlag('agent-port', 'Port for agents', '8091'),
  valueFlag('agent-bind-address', 'Address for agents (default: all)', ''),
  valueFlag('health-port', 'Port for probes and metrics', '8092'),
  valueFlag('health-bind-address', 'Address for probes (default: all)', ''),
  valueFlag('admin-port', 'Port for administration', '8095'),
  valueFlag('admin-bind-address', 'Address for administration', '127.0.0.1'),
  valueFlag('keepalive-time', 'How often an idle agent is pinged', '10s'),
  valueFlag('frontend-keepalive-time', 'How often an idle frontend is pinged', '1h'),
  valueFlag('server-id', 'Name of this server (default: PROXY_SERVER_ID, else a new UUID)', ''),
  valueFlag('server-count', 'How many servers there are', '1'),
  valueFlag('agent-namespace', "Namespace of the agents' service account", ''),
  valueFlag('agent-service-account', "The agents' service account", ''),
  valueFlag('authentication-audience', "Audience of the agents' tokens", ''),
  valueFlag('kubeconfig', 'For the review of tokens (default: in-cluster)', ''),
  valueFlag('kubeconfig-qps', 'Taken and without effect', '0'),
  valueFlag('kubeconfig-burst', 'Taken and without effect', '0'),
  valueFlag('kube-api-content-type', 'Taken and without effect', 'application/vnd.kubernetes.protobuf'),
  valueFlag('proxy-strategies', 'How an agent is chosen: default, destHost, defaultRoute, in order', 'default'),
  valueFlag('cipher-suites', 'Cipher suites below TLS 1.3, by their names in Go', ''),
  valueFlag('tls-min-version', 'VersionTLS10 to VersionTLS13', ''),
  valueFlag('xfr-channel-size', 'Taken; queues here are bounded in bytes', '10'),
  booleanFlag(
    'trust-agent-identifiers',
    "Believe what agents with a node's certificate say that they reach, as upstream",
  ),
  booleanFlag('enable-lease-controller', 'Not supported yet: give --server-count'),
  valueFlag('lease-namespace', 'Without effect as long as leases are not supported', 'kube-system'),
  valueFlag('lease-label', 'Without effect as long as leases are not supported', 'k8s-app=konnectivity-server'),
  booleanFlag('enable-profiling', 'Taken and without effect'),
  booleanFlag('enable-contention-profiling', 'Taken and without effect'),
  valueFlag('graceful-shutdown-timeout', 'How long open connections may go on after the first signal', '0'),
  valueFlag('backend-dial-timeout', "How long an agent may take to answer a dial; 0 is this server's own 60s", '0'),
  booleanFlag('warn-on-channel-limit', 'Deprecated; without effect', true),
  ...klogOptions,
];

/** Tokens that agents show instead of certificates. */
export interface TokenSettings {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience: string;
  readonly kubeconfig: string | undefined;
}

export interface ParsedServer {
  readonly config: KonnectivityConfig & Required<Pick<KonnectivityConfig, 'agents'>>;
  readonly tokens: TokenSettings | undefined;
  readonly gracefulShutdownMs: number;
}

/** @throws {ConfigError} with upstream's texts */
export function parseKonnectivityServer(options: OptionValues): ParsedServer {
  const text = (name: string) => options.text(name) ?? '';
  if (options.flag('enableLeaseController')) {
    throw new ConfigError('--enable-lease-controller: server leases are not supported; give --server-count');
  }
  const strategies = parseProxyStrategies(text('proxyStrategies'));
  const gracefulShutdownMs = parseNonNegativeDuration(options, {
    name: 'gracefulShutdownTimeout',
    flag: 'graceful-shutdown-timeout',
  });
  const dialTimeoutMs = parseNonNegativeDuration(options, { name: 'backendDialTimeout', flag: 'backend-dial-timeout' });
  parsePositive(options, { name: 'xfrChannelSize', what: 'channel size' });
  const common = {
    minVersion: parseTlsVersion(text('tlsMinVersion')),
    ciphers: parseCipherSuites(options.list('cipherSuites')),
  };
  const tokens = parseTokens(options);
  const port = (name: string, what: string) => parseServerPort(options, { name, what });
  return {
    tokens,
    gracefulShutdownMs,
    config: {
      serverId: chooseId(options.text('serverId'), 'PROXY_SERVER_ID'),
      serverCount: parseNumber(options, 'serverCount'),
      strategies,
      trustIdentifiers: options.flag('trustAgentIdentifiers'),
      dialTimeoutMs,
      keepaliveMs: options.durationMs('keepaliveTime') ?? 10_000,
      frontendKeepaliveMs: options.durationMs('frontendKeepaliveTime') ?? 3_600_000,
      agents: {
        address: { port: port('agentPort', 'agent'), host: text('agentBindAddress') },
        tls: readTls(options, { prefix: 'cluster', flag: 'cluster' }, common),
      },
      frontend: parseFrontend(options, common),
      health: { port: port('healthPort', 'health'), host: text('healthBindAddress') },
      admin: { port: port('adminPort', 'admin'), host: text('adminBindAddress') },
    },
  };
}

type TlsCommon = { minVersion: NonNullable<ServerTls['minVersion']>; ciphers: string | undefined };

function parseFrontend(options: OptionValues, common: TlsCommon): FrontendConfig {
  const mode = options.text('mode');
  if (mode !== 'grpc' && mode !== 'http-connect') {
    throw new ConfigError(`mode must be set to either 'grpc' or 'http-connect' not "${mode}"`);
  }
  const path = options.text('udsName');
  if (path) {
    if (parseNumber(options, 'serverPort') !== 0) {
      throw new ConfigError('UDS: server port must be 0 when using a unix domain socket');
    }
    for (const name of ['serverCert', 'serverKey', 'serverCaCert']) {
      if (options.text(name)) throw new ConfigError('UDS: no server certificate, key or CA may be set with uds-name');
    }
    return { mode, address: { path, replace: options.flag('deleteExistingUdsFile') } };
  }
  if (!options.text('serverCaCert')) {
    throw new ConfigError('server ca cert must be set when in TCP mode (uds-name is empty)');
  }
  const port = parseServerPort(options, { name: 'serverPort', what: 'server' });
  const host = options.text('serverBindAddress') ?? '';
  return { mode, address: { port, host }, tls: readTls(options, { prefix: 'server', flag: 'server' }, common) };
}

function readTls(
  options: OptionValues,
  { prefix, flag }: { prefix: string; flag: string },
  { minVersion, ciphers }: TlsCommon,
): ServerTls {
  const certificate = options.text(`${prefix}Cert`);
  const key = options.text(`${prefix}Key`);
  const clientCa = options.text(`${prefix}CaCert`);
  if (!certificate || !key) throw new ConfigError(`--${flag}-cert and --${flag}-key are required`);
  return {
    certificate: readFlagFile(certificate, `${flag}-cert`),
    key: readFlagFile(key, `${flag}-key`),
    minVersion,
    ...(ciphers !== undefined && { ciphers }),
    ...(clientCa && { clientCa: readFlagFile(clientCa, `${flag}-ca-cert`) }),
  };
}

function parseTokens(options: OptionValues): TokenSettings | undefined {
  const namespace = options.text('agentNamespace') ?? '';
  const serviceAccount = options.text('agentServiceAccount') ?? '';
  const audience = options.text('authenticationAudience') ?? '';
  const kubeconfig = options.text('kubeconfig') || undefined;
  if (kubeconfig && !existsSync(kubeconfig)) throw new ConfigError(`error checking kubeconfig path ${kubeconfig}`);
  if (!namespace && !serviceAccount && !audience) return undefined;
  if (options.text('clusterCaCert')) {
    throw new ConfigError('cluster-ca-cert can not be used when agents authenticate by token');
  }
  if (!namespace || !serviceAccount || !audience) {
    throw new ConfigError(
      'agent-namespace, agent-service-account and authentication-audience must be set together to authenticate agents by token',
    );
  }
  return { namespace, serviceAccount, audience, kubeconfig };
}
