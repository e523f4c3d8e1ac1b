import { BlockList, isIP } from 'node:net';
import type { Node } from '../api/kubernetes/core-v1.ts';

/** What of the network belongs to one node. */
interface Territory {
  readonly names: ReadonlySet<string>;
  readonly addresses: BlockList;
  readonly podRanges: BlockList;
}

/** Objects are frozen and replaced when they change, so that a node's territory is worked out once. */
const territories = new WeakMap<Node, Territory>();

/**
 * Whether `host`, an address or a name, is `node` itself or one of its pods. A loopback address that a node calls its own means nothing to
 * anybody else and does not count; a recorded pod range does, wherever it lies.
 */
export function ownsHost(node: Node, host: string): boolean {
  const { names, addresses, podRanges } = territoryOf(node);
  const version = isIP(host);
  if (version === 0) return names.has(host.toLowerCase().replace(/\.$/, ''));
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (podRanges.check(host, family)) return true;
  return addresses.check(host, family) && !loopback.check(host, family);
}

function territoryOf(node: Node): Territory {
  const known = territories.get(node);
  if (known) return known;
  const names = new Set<string>();
  const addresses = new BlockList();
  for (const { address } of node.status?.addresses ?? []) {
    const version = isIP(address);
    if (version === 0) names.add(address.toLowerCase());
    else addresses.addAddress(address, version === 4 ? 'ipv4' : 'ipv6');
  }
  const podRanges = new BlockList();
  for (const range of [node.spec?.podCIDR ?? [], node.spec?.podCIDRs ?? []].flat()) {
    const [base = '', bits] = range.split('/');
    const version = isIP(base);
    if (version !== 0) podRanges.addSubnet(base, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  }
  const territory = { names, addresses, podRanges };
  territories.set(node, territory);
  return territory;
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
