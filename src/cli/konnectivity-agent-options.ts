import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseLabelSelector } from '../api/selectors.ts';
import { ConfigError } from '../lib/config-error.ts';
import type { AgentConfig, AgentServer } from '../tunnel/agent/agent-config.ts';
import { parseAgentIdentifiers } from '../tunnel/agent-identifiers.ts';
import type { ServerCountSource } from '../tunnel/leases/lease-counter.ts';
import { parseServerAddress } from '../tunnel/leases/lease-validity.ts';
import type { PlainAddress } from '../tunnel/server/server-config.ts';
import type { OptionValues } from './command.ts';
import type { CredentialFiles } from './konnectivity-credentials.ts';
import { type ApiAccess, parseApiAccess } from './konnectivity-leases.ts';
import { chooseId, parsePositive, parseProfiling, queuesOfPackets } from './konnectivity-options.ts';

/** The leases of servers that an agent counts. */
export interface AgentLeases {
  readonly namespace: string;
  readonly selector: string;
}

export interface ParsedAgent {
  readonly config: Omit<AgentConfig, 'tls' | 'server' | 'addresses' | 'wantedServers'>;
  /** The first is where servers without a known address are looked for. */
  readonly servers: readonly [AgentServer, ...AgentServer[]];
  readonly alpnProtocols: readonly string[];
  readonly files: CredentialFiles;
  readonly leases: AgentLeases | undefined;
  readonly countSource: ServerCountSource;
  readonly api: ApiAccess;
  readonly health: PlainAddress;
  readonly admin: PlainAddress;
  readonly profiling: boolean;
}

/** Upstream's servers allow a ping each 30 s and take more as an attack; with fewer a dead server is found late. */
const keepaliveMs = 35_000;

/** @throws {ConfigError} with upstream's texts */
export function parseKonnectivityAgent(options: OptionValues): ParsedAgent {
  const text = (name: string) => options.text(name) ?? '';
  const port = (name: string, what: string) => parsePositive(options, { name, what });
  if (!text('agentCert') !== !text('agentKey')) throw new ConfigError('agent-cert and agent-key must be set together');
  if (!text('caCert')) throw new ConfigError('--ca-cert is required');
  const channelSize = port('xfrChannelSize', 'channel size');
  parseAgentIdentifiers(text('agentIdentifiers'), { strict: true });
  const syncIntervalMs = options.durationMs('syncInterval') ?? 1000;
  const syncIntervalCapMs = options.durationMs('syncIntervalCap') ?? 3000;
  if (syncIntervalMs > syncIntervalCapMs) {
    throw new ConfigError('sync interval must be less than or equal to sync interval cap');
  }
  const tokenPath = text('serviceAccountTokenPath');
  if (tokenPath && !existsSync(tokenPath))
    throw new ConfigError(`error checking service account token path ${tokenPath}`);
  return {
    countSource: parseCountSource(text('serverCountSource')),
    servers: parseServers(options.list('proxyServerHost'), port('proxyServerPort', 'proxy server port')),
    alpnProtocols: options.list('alpnProto'),
    leases: options.flag('countServerLeases')
      ? { namespace: text('leaseNamespace'), selector: parseSelector(text('leaseLabel') || text('leaseLabelSelector')) }
      : undefined,
    api: parseApiAccess(options),
    profiling: parseProfiling(options),
    files: {
      ca: { flag: 'ca-cert', path: text('caCert') },
      ...(text('agentCert') && {
        certificate: { flag: 'agent-cert', path: text('agentCert') },
        key: { flag: 'agent-key', path: text('agentKey') },
      }),
    },
    health: { host: text('healthServerHost'), port: port('healthServerPort', 'health server port') },
    admin: { host: text('adminBindAddress'), port: port('adminServerPort', 'admin server port') },
    config: {
      agentId: chooseId(options.text('agentId'), 'PROXY_AGENT_ID'),
      identifiers: text('agentIdentifiers'),
      syncIntervalMs,
      syncIntervalCapMs,
      syncForever: options.flag('syncForever'),
      keepaliveMs,
      queues: queuesOfPackets(channelSize),
      ...(tokenPath && { readToken: () => readFile(tokenPath, 'utf8') }),
    },
  };
}

function parseCountSource(source: string): ServerCountSource {
  if (source === 'max') return source;
  if (source === '' || source === 'default') return 'default';
  throw new ConfigError(`--server-count-source must be one of '', 'default', 'max', got ${source}`);
}

function parseServers(list: readonly string[], defaultPort: number): [AgentServer, ...AgentServer[]] {
  const servers = list.map((text) => {
    const bracketed =
      text.includes(':') && /^[0-9a-fA-F:.]+$/.test(text) && text.split(':').length > 2 ? `[${text}]` : text;
    const server = parseServerAddress(bracketed, defaultPort);
    if (!server) throw new ConfigError(`--proxy-server-host: expected host or host:port, got "${text}"`);
    return server;
  });
  const [first, ...others] = servers;
  if (!first) throw new ConfigError('--proxy-server-host is required');
  return [first, ...others];
}

/** Told at the start, not by the API server again and again. */
function parseSelector(text: string): string {
  try {
    parseLabelSelector(text);
    return text;
  } catch (error) {
    throw new ConfigError(`--lease-label-selector: cannot parse "${text}"`, { cause: error });
  }
}
