import type { Node } from '../../api/kubernetes/core-v1.ts';

/** `--kubelet-preferred-address-types`, upstream's default. */
export const defaultPreferredAddressTypes: readonly string[] = [
  'Hostname',
  'InternalDNS',
  'InternalIP',
  'ExternalDNS',
  'ExternalIP',
];

const defaultKubeletPort = 10_250;

/**
 * Where the kubelet of `node` listens: the first address of the most preferred type, and the port it reports.
 * @throws where the node reports no address of these types
 */
export function kubeletAddress(node: Node, preferredTypes: readonly string[]): { host: string; port: number } {
  const addresses = node.status?.addresses ?? [];
  const found = preferredTypes
    .map((type) => addresses.find((address) => address.type === type && address.address !== ''))
    .find((address) => address !== undefined);
  if (!found) {
    throw new Error(`no preferred addresses found; known addresses: ${JSON.stringify(addresses)}`);
  }
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
  return { host: found.address, port: port > 0 ? port : defaultKubeletPort };
}
