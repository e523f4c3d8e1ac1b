import { ConfigError } from '../lib/config-error.ts';
import { parseServerAddress, type ServerAddress } from '../tunnel/leases/lease-validity.ts';
import { parseProxyStrategies } from '../tunnel/server/backend-registry.ts';
import type { ListenAddress } from '../tunnel/server/listen-address.ts';
import type { KonnectivityConfig } from '../tunnel/server/server-config.ts';
import type { ServerTls } from '../tunnel/server/server-tls.ts';
import type { OptionValues } from './command.ts';
import type { CredentialFiles } from './konnectivity-credentials.ts';
import { type ApiAccess, parseApiAccess, parseLeaseLabels } from './konnectivity-leases.ts';
import {
  chooseId,
  parseNonNegativeDuration,
  parseNumber,
  parsePositive,
  parseProfiling,
  parseServerPort,
  queuesOfPackets,
} from './konnectivity-options.ts';
import { parseCipherSuites, parseTlsVersion } from './konnectivity-tls.ts';

/** Tokens that agents show instead of certificates. */
export interface TokenSettings {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience: string;
}

/** The lease of this server. */
export interface LeaseSettings {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `host:port` where agents reach this very server. */
  readonly agentAddress: string | undefined;
}

/** Other servers. */
export interface PeerSettings {
  /** Absent: those of the leases. */
  readonly servers: readonly ServerAddress[] | undefined;
  /** Absent: the name in the certificate that is shown to them. */
  readonly names: readonly string[] | undefined;
  /** Absent: the certificate of the agents' port. */
  readonly files: CredentialFiles | undefined;
}

export interface ParsedServer {
  readonly config: Omit<KonnectivityConfig, 'agents' | 'frontend' | 'peers'>;
  readonly agents: { readonly address: ListenAddress; readonly files: CredentialFiles };
  readonly frontend: {
    readonly mode: 'grpc' | 'http-connect';
    readonly address: ListenAddress;
    /** Absent on a Unix socket. */
    readonly files?: CredentialFiles;
  };
  /** Of both ports. */
  readonly tls: Pick<ServerTls, 'minVersion' | 'ciphers'>;
  readonly tokens: TokenSettings | undefined;
  readonly api: ApiAccess;
  readonly lease: LeaseSettings | undefined;
  readonly peers: PeerSettings | undefined;
  readonly profiling: boolean;
  readonly gracefulShutdownMs: number;
}

/** Found within a minute: see `docs/protocols.md`. */
const maxKeepaliveMs = 30_000;
const minKeepaliveMs = 1_000;

/** @throws {ConfigError} with upstream's texts */
export function parseKonnectivityServer(options: OptionValues): ParsedServer {
  const text = (name: string) => options.text(name) ?? '';
  const strategies = parseProxyStrategies(text('proxyStrategies'));
  const duration = (name: string, flag: string) => parseNonNegativeDuration(options, { name, flag });
  const gracefulShutdownMs = duration('gracefulShutdownTimeout', 'graceful-shutdown-timeout');
  const dialTimeoutMs = duration('backendDialTimeout', 'backend-dial-timeout');
  const channelSize = parsePositive(options, { name: 'xfrChannelSize', what: 'channel size' });
  const ciphers = parseCipherSuites(options.list('cipherSuites'));
  const labels = parseLeaseLabels(text('leaseLabel'));
  const port = (name: string, what: string) => parseServerPort(options, { name, what });
  const agentPort = port('agentPort', 'agent');
  const keepaliveMs = options.durationMs('keepaliveTime') ?? 10_000;
  const withLeases = options.flag('enableLeaseController');
  return {
    tls: { minVersion: parseTlsVersion(text('tlsMinVersion')), ...(ciphers !== undefined && { ciphers }) },
    api: parseApiAccess(options),
    tokens: parseTokens(options),
    lease: withLeases
      ? { namespace: text('leaseNamespace'), labels, agentAddress: parseAdvertised(options, agentPort) }
      : undefined,
    peers: parsePeers(options, { withLeases, agentPort }),
    profiling: parseProfiling(options),
    gracefulShutdownMs,
    agents: {
      address: { port: agentPort, host: text('agentBindAddress') },
      files: credentialFiles(options, 'cluster'),
    },
    frontend: parseFrontend(options),
    config: {
      serverId: chooseId(options.text('serverId'), 'PROXY_SERVER_ID'),
      serverCount: parseNumber(options, 'serverCount'),
      strategies,
      trustIdentifiers: options.flag('trustAgentIdentifiers'),
      dialTimeoutMs,
      keepaliveMs: Math.max(minKeepaliveMs, Math.min(maxKeepaliveMs, keepaliveMs)),
      frontendKeepaliveMs: options.durationMs('frontendKeepaliveTime') ?? 3_600_000,
      queues: queuesOfPackets(channelSize),
      health: { port: port('healthPort', 'health'), host: text('healthBindAddress') },
      admin: { port: port('adminPort', 'admin'), host: text('adminBindAddress') },
    },
  };
}

function parseFrontend(options: OptionValues): ParsedServer['frontend'] {
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
  return { mode, address: { port, host }, files: credentialFiles(options, 'server') };
}

/** Files by the flags `<prefix>-cert`, `<prefix>-key` and `<prefix>-ca-cert`. */
function credentialFiles(options: OptionValues, prefix: string): CredentialFiles {
  const certificate = options.text(`${prefix}Cert`);
  const key = options.text(`${prefix}Key`);
  const ca = options.text(`${prefix}CaCert`);
  if (!certificate || !key) throw new ConfigError(`--${prefix}-cert and --${prefix}-key are required`);
  return {
    certificate: { flag: `${prefix}-cert`, path: certificate },
    key: { flag: `${prefix}-key`, path: key },
    ...(ca && { ca: { flag: `${prefix}-ca-cert`, path: ca } }),
  };
}

function parseAdvertised(options: OptionValues, agentPort: number): string | undefined {
  const given = options.text('agentAdvertiseAddress');
  const podAddress = process.env['POD_IP'];
  const text = given || (podAddress?.includes(':') ? `[${podAddress}]` : podAddress);
  if (!text) return undefined;
  const address = parseServerAddress(text, agentPort);
  if (!address) throw new ConfigError(`--agent-advertise-address: expected host or host:port, got "${text}"`);
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function parsePeers(
  options: OptionValues,
  { withLeases, agentPort }: { withLeases: boolean; agentPort: number },
): PeerSettings | undefined {
  const list = options.list('peerServers');
  const servers = list.map((text) => {
    const address = parseServerAddress(text, agentPort);
    if (!address) throw new ConfigError(`--peer-servers: expected host or host:port, got "${text}"`);
    return address;
  });
  if (!options.text('peerCert') !== !options.text('peerKey')) {
    throw new ConfigError('peer-cert and peer-key must be set together');
  }
  // Without a CA there is nothing by which servers could know each other.
  if (!options.text('clusterCaCert')) {
    if (servers.length > 0) throw new ConfigError('--peer-servers needs --cluster-ca-cert');
    return undefined;
  }
  if (servers.length === 0 && !withLeases) return undefined;
  const names = options.list('peerNames');
  return {
    servers: servers.length > 0 ? servers : undefined,
    names: names.length > 0 ? names : undefined,
    files: options.text('peerCert') ? credentialFiles(options, 'peer') : undefined,
  };
}

function parseTokens(options: OptionValues): TokenSettings | undefined {
  const namespace = options.text('agentNamespace') ?? '';
  const serviceAccount = options.text('agentServiceAccount') ?? '';
  const audience = options.text('authenticationAudience') ?? '';
  if (!namespace && !serviceAccount && !audience) return undefined;
  if (options.text('clusterCaCert')) {
    throw new ConfigError('cluster-ca-cert can not be used when agents authenticate by token');
  }
  if (!namespace || !serviceAccount || !audience) {
    throw new ConfigError(
      'agent-namespace, agent-service-account and authentication-audience must be set together to authenticate agents by token',
    );
  }
  return { namespace, serviceAccount, audience };
}
