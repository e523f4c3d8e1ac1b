import { createHash } from 'node:crypto';
import type { Endpoint } from '../endpoint.ts';
import type { ServicePort } from '../service-port.ts';

/** Sets, maps and chains of the frame, named as upstream names them. */
export const names = {
  clusterIps: 'cluster-ips',
  nodePortIps: 'nodeport-ips',
  serviceIps: 'service-ips',
  serviceNodePorts: 'service-nodeports',
  noEndpointServices: 'no-endpoint-services',
  noEndpointNodePorts: 'no-endpoint-nodeports',
  firewallIps: 'firewall-ips',
  hairpin: 'hairpin-connections',
  services: 'services',
  masquerading: 'masquerading',
  markForMasquerade: 'mark-for-masquerade',
  reject: 'reject-chain',
  firewallCheck: 'firewall-check',
  clusterIpsCheck: 'cluster-ips-check',
  nodePortEndpointsCheck: 'nodeport-endpoints-check',
  serviceEndpointsCheck: 'service-endpoints-check',
} as const;

const maxNameLength = 200;
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

type PortChain = 'service' | 'local' | 'external' | 'firewall';

/** `service-ULMVA6XW-ns1/svc1/tcp/p80`: the hash keeps names apart that had to be cut. */
export function portChain(kind: PortChain, port: ServicePort): string {
  const text = portText(port);
  return cut(`${kind}-${shortHash(text)}-${text}`);
}

/** `endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80`. */
export function endpointChain(port: ServicePort, endpoint: Endpoint): string {
  return cut(`endpoint-${endpointText(port, endpoint)}`);
}

/** The set of clients that stay with one endpoint. */
export function affinitySet(port: ServicePort, endpoint: Endpoint): string {
  return cut(`affinity-${endpointText(port, endpoint)}`);
}

function endpointText(port: ServicePort, endpoint: Endpoint): string {
  const text = `${portText(port)}__${endpoint.address.replaceAll(':', '.')}/${endpoint.port}`;
  return `${shortHash(text)}-${text}`;
}

function portText({ namespace, name, protocol, portName }: ServicePort): string {
  return `${namespace}/${name}/${protocol}/${portName}`;
}

/** nftables knows letters, digits and `/ - _ .` in names; Kubernetes' names have no others, but they come from afar. */
function cut(name: string): string {
  const safe = name.replaceAll(/[^A-Za-z0-9/_.-]/g, '_');
  return safe.length > maxNameLength ? `${safe.slice(0, maxNameLength - 3)}...` : safe;
}

function shortHash(text: string): string {
  const digest = createHash('sha256').update(text).digest();
  let bits = digest.readUIntBE(0, 5); // 40 bits are 8 letters.
  let hash = '';
  for (let index = 0; index < 8; index++) {
    hash = (base32[bits % 32] ?? '') + hash;
    bits = Math.floor(bits / 32);
  }
  return hash;
}
