import type { EndpointSlice } from '../api/kubernetes/discovery-v1.ts';
import { isAddressOf, type ServicePort } from './service-port.ts';

/** One address and port behind a Service port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** On this node. */
  readonly local: boolean;
  /** Certainly not on this node: an endpoint that names no node may be anywhere. */
  readonly elsewhere: boolean;
  /** Absent: no hints, of use everywhere. */
  readonly forZones?: readonly string[];
  readonly forNodes?: readonly string[];
}

const protocols = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const;

/** The endpoints of one port, each address once, in a stable order. */
export function endpointsOf(
  port: Pick<ServicePort, 'family' | 'portName' | 'protocol'>,
  { slices, nodeName }: { slices: readonly EndpointSlice[]; nodeName: string },
): Endpoint[] {
  const found = new Map<string, Endpoint>();
  const addressType = port.family === 'ip' ? 'IPv4' : 'IPv6';
  for (const slice of slices) {
    if (slice.addressType !== addressType) continue;
    const target = slice.ports?.find(
      ({ name = '', protocol = 'TCP' }) => name === port.portName && protocol === protocols[port.protocol],
    );
    if (!target?.port) continue;
    for (const { addresses, conditions = {}, nodeName: node, hints } of slice.endpoints ?? []) {
      const [address] = addresses; // All of an endpoint are the same; more than one was never used.
      if (address === undefined || !isAddressOf(port.family, address)) continue;
      const ready = conditions.ready ?? true;
      const endpoint: Endpoint = {
        address,
        port: target.port,
        ready,
        serving: conditions.serving ?? ready,
        terminating: conditions.terminating ?? false,
        local: node !== undefined && node === nodeName,
        elsewhere: node !== undefined && node !== nodeName,
        ...(hints?.forZones && { forZones: hints.forZones.map(({ name }) => name) }),
        ...(hints?.forNodes && { forNodes: hints.forNodes.map(({ name }) => name) }),
      };
      // While an address moves from one slice to another it is in both.
      const key = endpointKey(endpoint);
      if (!found.get(key)?.ready) found.set(key, endpoint);
    }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function endpointKey({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
