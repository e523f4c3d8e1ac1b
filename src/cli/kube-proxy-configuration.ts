import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { KubeProxyConfig, ListenAddress, LocalDetector } from '../kube-proxy/kube-proxy-config.ts';
import { ConfigError } from '../lib/config-error.ts';
import { parseYaml } from '../lib/yaml.ts';
import { type OptionValues, parseDuration } from './command.ts';

/** The fields of upstream's `KubeProxyConfiguration` (`kubeproxy.config.k8s.io/v1alpha1`) that have an effect here. */
export interface KubeProxyConfiguration {
  readonly clientConnection?: { readonly kubeconfig?: string };
  readonly hostnameOverride?: string;
  readonly mode?: string;
  readonly clusterCIDR?: string;
  readonly detectLocalMode?: string;
  readonly detectLocal?: { readonly bridgeInterface?: string; readonly interfaceNamePrefix?: string };
  readonly nodePortAddresses?: readonly string[];
  readonly healthzBindAddress?: string;
  readonly metricsBindAddress?: string;
  readonly oomScoreAdj?: number;
  readonly nftables?: RuleOptions;
  readonly iptables?: RuleOptions;
  /** Ours alone. */
  readonly loopbackRange?: string;
}

interface RuleOptions {
  readonly masqueradeAll?: boolean;
  readonly masqueradeBit?: number;
  readonly minSyncPeriod?: string;
  readonly syncPeriod?: string;
}

export interface ParsedKubeProxy {
  readonly config: KubeProxyConfig;
  readonly kubeconfig: string | undefined;
  readonly oomScoreAdj: number;
  /** The ranges of pods on this node are in its Node object. */
  readonly detectByNode: boolean;
  /** What the operator should know of what was asked for and is done otherwise. */
  readonly warnings: readonly string[];
}

const kind = 'KubeProxyConfiguration';
const version = 'kubeproxy.config.k8s.io/v1alpha1';
const interfaceName = /^[A-Za-z0-9_.:-]{1,15}$/;

/** The file that `--config` names, else the flags. @throws {ConfigError} */
export function parseKubeProxy(options: OptionValues): ParsedKubeProxy {
  const path = options.text('config');
  const file = path ? readConfiguration(path) : configurationOfFlags(options);
  const name = options.text('hostnameOverride') || file.hostnameOverride || hostname();
  const rules = { ...file.iptables, ...file.nftables };
  const warnings: string[] = [];
  const mode = modeOf(file.mode ?? '', warnings);
  const minSyncIntervalMs = durationOf('minSyncPeriod', rules.minSyncPeriod);
  const syncIntervalMs = durationOf('syncPeriod', rules.syncPeriod);
  const healthz = listenAddressOf('healthzBindAddress', file.healthzBindAddress ?? '0.0.0.0:10256', 10256);
  const metrics = listenAddressOf('metricsBindAddress', file.metricsBindAddress ?? '127.0.0.1:10249', 10249);
  const { detectByNode, ...detector } = detectorOf(file);
  return {
    kubeconfig: file.clientConnection?.kubeconfig || undefined,
    oomScoreAdj: integerOf('oomScoreAdj', file.oomScoreAdj ?? -999, { min: -1000, max: 1000 }),
    detectByNode,
    warnings,
    config: {
      nodeName: name.toLowerCase().trim(),
      ...detector,
      ...(mode && { mode }),
      ...(rules.masqueradeAll && { masqueradeAll: true }),
      masqueradeBit: integerOf('masqueradeBit', rules.masqueradeBit ?? 14, { min: 0, max: 31 }),
      nodePortAddresses: nodePortAddressesOf(file.nodePortAddresses ?? []),
      ...(minSyncIntervalMs !== undefined && { minSyncIntervalMs }),
      ...(syncIntervalMs !== undefined && { syncIntervalMs }),
      ...(healthz && { healthz }),
      ...(metrics && { metricsAddress: metrics }),
      ...(file.loopbackRange && { loopbackRange: file.loopbackRange }),
    },
  };
}

function readConfiguration(path: string): KubeProxyConfiguration {
  let document: unknown;
  try {
    document = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`--config: cannot read ${path}`, { cause: error });
  }
  if (typeof document !== 'object' || document === null) throw new ConfigError(`--config: ${path} is empty`);
  const { apiVersion, kind: found } = document as { apiVersion?: unknown; kind?: unknown };
  if (apiVersion !== version || found !== kind) {
    throw new ConfigError(`--config: ${path}: expected kind ${kind} of ${version}, got ${found} of ${apiVersion}`);
  }
  return document; // Each field is checked where it is read.
}

function configurationOfFlags(options: OptionValues): KubeProxyConfiguration {
  if (options.text('master')) throw new ConfigError('--master is not supported: name the server in the kubeconfig');
  const text = (name: string) => {
    const value = options.text(name);
    return value === undefined ? {} : { [name]: value };
  };
  const bit = options.integer('iptablesMasqueradeBit', { min: 0, max: 31 });
  const oomScoreAdj = options.integer('oomScoreAdj', { min: -1000, max: 1000 });
  const [minSyncPeriod, syncPeriod] = [options.text('iptablesMinSyncPeriod'), options.text('iptablesSyncPeriod')];
  const [mode, cidr, bridge] = [
    options.text('proxyMode'),
    options.text('clusterCidr'),
    options.text('podBridgeInterface'),
  ];
  const prefix = options.text('podInterfaceNamePrefix');
  const [healthz, metrics] = [
    withPort(options, 'healthzBindAddress', 'healthzPort'),
    withPort(options, 'metricsBindAddress', 'metricsPort'),
  ];
  return {
    ...text('detectLocalMode'),
    ...text('loopbackRange'),
    ...(healthz !== undefined && { healthzBindAddress: healthz }),
    ...(metrics !== undefined && { metricsBindAddress: metrics }),
    ...(mode !== undefined && { mode }),
    ...(cidr !== undefined && { clusterCIDR: cidr }),
    ...(oomScoreAdj !== undefined && { oomScoreAdj }),
    clientConnection: { kubeconfig: options.text('kubeconfig') ?? '' },
    detectLocal: { ...(bridge && { bridgeInterface: bridge }), ...(prefix && { interfaceNamePrefix: prefix }) },
    nodePortAddresses: options.list('nodeportAddresses'),
    nftables: {
      masqueradeAll: options.flag('masqueradeAll'),
      ...(bit !== undefined && { masqueradeBit: bit }),
      ...(minSyncPeriod !== undefined && { minSyncPeriod }),
      ...(syncPeriod !== undefined && { syncPeriod }),
    },
  };
}

/** `--healthz-port` and `--metrics-port` of older manifests: 0 is none. */
function withPort(options: OptionValues, address: string, port: string): string | undefined {
  const number = options.integer(port, { min: 0, max: 65_535 });
  const host = options.text(address);
  if (number === undefined || host === '') return host;
  if (number === 0) return '';
  return host === undefined ? undefined : `${host.includes(':') ? `[${host}]` : host}:${number}`;
}

function modeOf(mode: string, warnings: string[]): KubeProxyConfig['mode'] | undefined {
  if (mode === '') return undefined;
  if (mode === 'nftables' || mode === 'userspace') return mode;
  if (mode !== 'iptables' && mode !== 'ipvs') {
    throw new ConfigError(`proxy mode: expected nftables, userspace or nothing, got "${mode}"`);
  }
  warnings.push(`Proxy mode ${mode} is served by nftables rules`);
  return 'nftables';
}

function detectorOf(file: KubeProxyConfiguration): { localDetector?: LocalDetector; detectByNode: boolean } {
  const { detectLocalMode = '', clusterCIDR = '', detectLocal = {} } = file;
  const named = (name: string | undefined, field: string) => {
    if (name !== undefined && interfaceName.test(name)) return name;
    throw new ConfigError(`${field}: expected the name of an interface, got "${name ?? ''}"`);
  };
  switch (detectLocalMode) {
    case '':
    case 'ClusterCIDR': {
      const cidrs = clusterCIDR
        .split(',')
        .filter((cidr) => cidr !== '')
        .map((cidr) => cidrOf('clusterCIDR', cidr));
      return { detectByNode: false, ...(cidrs.length > 0 && { localDetector: { kind: 'cidrs', cidrs } }) };
    }
    case 'NodeCIDR':
      return { detectByNode: true };
    case 'BridgeInterface': {
      const name = named(detectLocal.bridgeInterface, 'detectLocal.bridgeInterface');
      return { detectByNode: false, localDetector: { kind: 'interface', name } };
    }
    case 'InterfaceNamePrefix': {
      const prefix = named(detectLocal.interfaceNamePrefix, 'detectLocal.interfaceNamePrefix');
      return { detectByNode: false, localDetector: { kind: 'interface-prefix', prefix } };
    }
    default:
      throw new ConfigError(`detectLocalMode: unknown mode "${detectLocalMode}"`);
  }
}

function nodePortAddressesOf(addresses: readonly string[]): 'primary' | string[] {
  if (addresses.length === 0 || (addresses.length === 1 && addresses[0] === 'primary')) return 'primary';
  return addresses.map((cidr) => cidrOf('nodePortAddresses', cidr));
}

function cidrOf(field: string, text: string): string {
  const [address = '', bits = '', ...rest] = text.trim().split('/');
  const max = isIP(address) === 6 ? 128 : 32;
  if (isIP(address) > 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= max)
    return `${address}/${bits}`;
  throw new ConfigError(`${field}: expected a range such as 10.244.0.0/16, got "${text}"`);
}

/** `host:port`, `[host]:port`, `:port`, or an address alone; empty is none. */
export function listenAddressOf(field: string, text: string, defaultPort: number): ListenAddress | undefined {
  if (text === '') return undefined;
  if (isIP(text) > 0) return { host: text, port: defaultPort };
  const [, bracketed, plain = '', digits = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (digits !== '' && Number(digits) <= 65_535 && (host === '' || isIP(host) > 0))
    return { host, port: Number(digits) };
  throw new ConfigError(`${field}: expected an address and port such as 0.0.0.0:${defaultPort}, got "${text}"`);
}

function durationOf(field: string, text: string | undefined): number | undefined {
  if (text === undefined || text === '' || text === '0s') return undefined;
  const ms = parseDuration(text);
  if (ms === undefined) throw new ConfigError(`${field}: expected a duration such as 1s, got "${text}"`);
  return ms === 0 ? undefined : ms;
}

function integerOf(field: string, value: unknown, { min, max }: { min: number; max: number }): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new ConfigError(`${field}: expected a whole number from ${min} to ${max}, got ${JSON.stringify(value)}`);
}
