import type { Service } from '../../api/kubernetes/core-v1.ts';

export function isHeadless({ spec }: Readonly<Service>): boolean {
  return spec?.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';
}

/** Every type but ExternalName has an address, if only `None`. */
export function needsClusterIp({ spec }: Readonly<Service>): boolean {
  return spec?.type !== 'ExternalName';
}

export function needsNodePorts({ spec }: Readonly<Service>): boolean {
  return spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
}

export function needsHealthCheckPort({ spec }: Readonly<Service>): boolean {
  return spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

/** Reachable from outside the cluster. */
export function isExternallyAccessible(service: Readonly<Service>): boolean {
  return needsNodePorts(service) || (service.spec?.type === 'ClusterIP' && (service.spec.externalIPs ?? []).length > 0);
}

/** The addresses a stored Service holds. */
export function realClusterIps({ spec }: Readonly<Service>): string[] {
  if (spec?.type === 'ExternalName') return [];
  const list = spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
  return list.filter((address) => address !== '' && address !== 'None');
}

/** The node ports a stored Service holds, each once. */
export function nodePortsOf({ spec }: Readonly<Service>): number[] {
  const ports = (spec?.ports ?? []).map(({ nodePort = 0 }) => nodePort);
  return [...new Set([...ports, spec?.healthCheckNodePort ?? 0])].filter((port) => port !== 0);
}
