import { isIPv4, isIPv6 } from 'node:net';
import type { Service } from '../api/kubernetes/core-v1.ts';

/** nftables' names of the families. */
export type Family = 'ip' | 'ip6';

/** One port of one Service in one address family, with what decides about its traffic. */
export interface ServicePort {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly clusterIp: string;
  readonly port: number;
  /** 0 is none. */
  readonly nodePort: number;
  readonly externalIps: readonly string[];
  readonly loadBalancerIps: readonly string[];
  /** Absent: all may come. */
  readonly loadBalancerSources?: readonly string[];
  /** How long a client keeps its endpoint; absent without affinity. */
  readonly affinitySeconds?: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
}

const notProxied = 'service.kubernetes.io/service-proxy-name';
const defaultAffinitySeconds = 10_800;

export function familyOf(address: string): Family {
  return isIPv4(address) ? 'ip' : 'ip6';
}

/** Whether a text is an address of the family and nothing else: it becomes part of commands. */
export function isAddressOf(family: Family, address: string): boolean {
  return family === 'ip' ? isIPv4(address) : isIPv6(address) && !address.includes('%');
}

/** Everything that a Service wants proxied; nothing of headless Services, of `ExternalName`, and of those that name another proxy. */
export function servicePortsOf(service: Service): ServicePort[] {
  const { metadata = {}, spec = {}, status = {} } = service;
  if (spec.type === 'ExternalName' || metadata.labels?.[notProxied] !== undefined) return [];
  const clusterIps = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None');
  const withNodePorts = spec.type === 'NodePort' || spec.type === 'LoadBalancer';
  const balancers = (spec.type === 'LoadBalancer' ? (status.loadBalancer?.ingress ?? []) : [])
    .filter(({ ip, ipMode }) => ip && ipMode !== 'Proxy')
    .map(({ ip = '' }) => ip);
  const affinity = spec.sessionAffinity === 'ClientIP';
  return clusterIps.flatMap((clusterIp) => {
    const family = familyOf(clusterIp);
    const ours = (address: string) => isAddressOf(family, address);
    if (!ours(clusterIp)) return [];
    const sources = (spec.loadBalancerSourceRanges ?? []).map((range) => range.trim()).filter(isRangeOf(family));
    return (spec.ports ?? []).map((port): ServicePort => {
      return {
        namespace: metadata.namespace ?? '',
        name: metadata.name ?? '',
        portName: port.name ?? '',
        family,
        protocol: protocolOf(port.protocol),
        clusterIp,
        port: port.port,
        nodePort: withNodePorts ? (port.nodePort ?? 0) : 0,
        externalIps: (spec.externalIPs ?? []).filter(ours),
        loadBalancerIps: balancers.filter(ours),
        ...((spec.loadBalancerSourceRanges ?? []).length > 0 && { loadBalancerSources: sources }),
        ...(affinity && {
          affinitySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds,
        }),
        internalLocal: spec.internalTrafficPolicy === 'Local',
        externalLocal: spec.externalTrafficPolicy === 'Local' && spec.type !== 'ClusterIP',
      };
    });
  });
}

/** Whether something from outside of the cluster may come in by this port. */
export function isExternallyReachable(port: ServicePort): boolean {
  return port.nodePort > 0 || port.externalIps.length > 0 || port.loadBalancerIps.length > 0;
}

function protocolOf(protocol: string | undefined): ServicePort['protocol'] {
  if (protocol === 'UDP') return 'udp';
  return protocol === 'SCTP' ? 'sctp' : 'tcp';
}

function isRangeOf(family: Family): (range: string) => boolean {
  return (range) => {
    const [address = '', bits = '', ...rest] = range.split('/');
    return isAddressOf(family, address) && /^\d{1,3}$/.test(bits) && rest.length === 0;
  };
}
