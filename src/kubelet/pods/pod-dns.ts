import type { Pod, PodDNSConfigOption } from '../../api/kubernetes/core-v1.ts';

/** The resolver of a pod's containers, as `/etc/resolv.conf` has it. */
export interface PodDns {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  /** `ndots:5` */
  readonly options: readonly string[];
}

/** libc takes no more. */
const maxServers = 3;

/**
 * By the pod's `dnsPolicy` and `dnsConfig`, as upstream has it. `undefined`: the node's own resolver, which is also what a pod gets that asks for the
 * cluster's where `clusterServers` is empty. What a `dnsConfig` adds to the node's own resolver is left out unless it names servers.
 */
export function dnsOf({ metadata, spec }: Pod, clusterServers: readonly string[]): PodDns | undefined {
  const { dnsPolicy = 'ClusterFirst', dnsConfig = {}, hostNetwork } = spec ?? {};
  const clusters = dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && !hostNetwork);
  const fromCluster = clusters && clusterServers.length > 0;
  const base = fromCluster
    ? { servers: clusterServers, searches: clusterSearches(metadata?.namespace ?? ''), options: ['ndots:5'] }
    : { servers: [], searches: [], options: [] };
  const servers = distinct([...base.servers, ...(dnsConfig.nameservers ?? [])]).slice(0, maxServers);
  if (servers.length === 0) return undefined;
  return {
    servers,
    searches: distinct([...base.searches, ...(dnsConfig.searches ?? [])]),
    options: mergeOptions(base.options, dnsConfig.options ?? []),
  };
}

export function formatResolvConf({ servers, searches, options }: PodDns): string {
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(searches.length > 0 ? [`search ${searches.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}

function clusterSearches(namespace: string): string[] {
  return [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'];
}

/** An option of the pod takes the place of one with its name. */
function mergeOptions(base: readonly string[], own: readonly PodDNSConfigOption[]): string[] {
  const byName = new Map(base.map((option) => [option.split(':')[0] ?? option, option]));
  for (const { name = '', value } of own) byName.set(name, value ? `${name}:${value}` : name);
  return [...byName.values()];
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}
