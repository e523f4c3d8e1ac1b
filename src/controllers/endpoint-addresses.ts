import type { Pod, Service, ServicePort } from '../api/kubernetes/core-v1.ts';
import { isPodFinished, isPodReady } from './pod-state.ts';

/** A pod that a service sends to. */
export interface Backend {
  readonly pod: Pod;
  readonly address: string;
  readonly ready: boolean;
  readonly terminating: boolean;
  readonly ports: readonly BackendPort[];
}

export interface BackendPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol?: string;
}

/** All pods that the service selects and that have an address, with the ports as numbers. */
export function backendsOf(service: Service, pods: Iterable<Pod>, family: 'IPv4' | 'IPv6'): Backend[] {
  const selector = Object.entries(service.spec?.selector ?? {});
  const found: Backend[] = [];
  if (selector.length === 0) return found;
  for (const pod of pods) {
    const { metadata, status } = pod;
    if (metadata?.namespace !== service.metadata?.namespace || isPodFinished(pod)) continue;
    if (!selector.every(([key, value]) => metadata?.labels?.[key] === value)) continue;
    const addresses = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []);
    const address = addresses.find((ip) => ip.includes(':') === (family === 'IPv6'));
    if (address === undefined) continue;
    const ports = (service.spec?.ports ?? []).flatMap((port) => {
      const number = targetPort(pod, port);
      return number === undefined ? [] : [backendPort(port, number)];
    });
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue;
    const terminating = metadata?.deletionTimestamp !== undefined;
    found.push({ pod, address, ready: isPodReady(pod), terminating, ports });
  }
  return found.toSorted((a, b) => (a.address < b.address ? -1 : 1));
}

/** Whether traffic should go there: ready and not ending, or the service wants everything. */
export function isServing({ ready, terminating }: Backend, { spec }: Service): boolean {
  return spec?.publishNotReadyAddresses ? true : ready && !terminating;
}

/** A text that is equal for backends with the same ports: they share a subset or slice. */
export function portsKey(ports: readonly BackendPort[]): string {
  return JSON.stringify(ports.map(({ name, protocol, port }) => [name, protocol, port]).sort());
}

function targetPort(pod: Pod, { port, targetPort: target, protocol }: ServicePort): number | undefined {
  if (target === undefined || target === 0 || target === '') return port;
  if (typeof target === 'number') return target;
  const containers = [
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always'),
  ];
  for (const { ports = [] } of containers) {
    const found = ports.find((one) => one.name === target && (one.protocol ?? 'TCP') === (protocol ?? 'TCP'));
    if (found) return found.containerPort;
  }
  return undefined;
}

function backendPort({ name, protocol, appProtocol }: ServicePort, port: number): BackendPort {
  return { name: name ?? '', protocol: protocol ?? 'TCP', port, ...(appProtocol !== undefined && { appProtocol }) };
}
