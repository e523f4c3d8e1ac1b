import { BlockList, isIP } from 'node:net';
import type { Node } from '../../api/kubernetes/core-v1.ts';

/** Never a backend: unspecified, link-local with the clouds' metadata services, multicast. */
const forbiddenV4 = blockList(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '100.100.100.200/32', // metadata at Alibaba
  '168.63.129.16/32', // metadata at Azure
  '192.0.0.192/32', // metadata at Oracle
);
/** The same, and IPv4 addresses dressed up as IPv6. A list of its own, since `BlockList` compares across families. */
const forbiddenV6 = blockList(
  '::/8', // unspecified, loopback, IPv4-mapped, IPv4-compatible, NAT64
  '2001::/32', // Teredo
  '2002::/16', // 6to4
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128', // metadata at AWS
);
const loopback = blockList('127.0.0.0/8');
/** Where nodes without a network of their own have the addresses of their pods: 127.64.0.0 to 127.191.255.255. */
const loopbackPods = blockList('127.64.0.0/10', '127.128.0.0/10');
/** A node's own part of it is no larger than this. */
const minLoopbackPrefix = 16;

export interface AddressRules {
  /** Addresses of the control plane: its own listeners and what it advertises. */
  readonly reserved: (address: string) => boolean;
}

/**
 * Why `address` must not be dialled as one of a pod on `node`; `undefined` where it may. Only the node's recorded pod range is let through, or one
 * of its own addresses for a pod on the host's network. Upstream allows every global unicast address, which remains the rule for nodes that have no
 * recorded range: those of clusters whose network plugin keeps addresses to itself.
 */
export function refusedPodAddress(
  address: string,
  { node, hostNetwork, reserved }: AddressRules & { readonly node: Node; readonly hostNetwork: boolean },
): string | undefined {
  const never = forbiddenAddress(address);
  if (never !== undefined) return never;
  const name = node.metadata?.name ?? '';
  const ranges = podRangesOf(node);
  if (inList(loopback, address)) {
    const own = !hostNetwork && ranges.some((range) => isLoopbackPodRange(range) && isInRange(address, range));
    return own ? undefined : `${address} is a loopback address outside the recorded pod range of node "${name}"`;
  }
  if (reserved(address)) return `${address} is an address of the control plane`;
  if (hostNetwork) {
    const own = (node.status?.addresses ?? []).some((known) => known.address === address);
    return own ? undefined : `${address} is no address of node "${name}", on whose network the pod is`;
  }
  if (ranges.length === 0 || ranges.some((range) => isInRange(address, range))) return undefined;
  return `${address} is outside the pod range ${ranges.join(', ')} of node "${name}"`;
}

/** Why `address` must not be dialled as one of a node. */
export function refusedNodeAddress(address: string, { reserved }: AddressRules): string | undefined {
  const never = forbiddenAddress(address);
  if (never !== undefined) return never;
  if (inList(loopback, address)) return `${address} is a loopback address`;
  if (reserved(address)) return `${address} is an address of the control plane`;
  return undefined;
}

/**
 * Why `address` must not be dialled as that of a kubelet. Loopback and the control plane's own machine are fine here, and only here, because
 * nothing is sent before the other end has proved that it is this node's kubelet.
 */
export function refusedKubeletAddress(
  address: string,
  options: AddressRules & { readonly verified: boolean },
): string | undefined {
  return options.verified ? forbiddenAddress(address) : refusedNodeAddress(address, options);
}

/** `spec.podCIDRs`, or the older field alone. */
export function podRangesOf({ spec }: Node): readonly string[] {
  if (spec?.podCIDRs && spec.podCIDRs.length > 0) return spec.podCIDRs;
  return spec?.podCIDR ? [spec.podCIDR] : [];
}

function forbiddenAddress(address: string): string | undefined {
  if (isIP(address) === 0 || address.includes('%')) return `${JSON.stringify(address)} is no IP address`;
  const forbidden = isIP(address) === 6 ? forbiddenV6 : forbiddenV4;
  return inList(forbidden, address) ? `${address} is in a range that is never dialled` : undefined;
}

function isLoopbackPodRange(range: string): boolean {
  const [base = '', prefix = ''] = range.split('/');
  return isIP(base) === 4 && Number(prefix) >= minLoopbackPrefix && inList(loopbackPods, base);
}

/** Ranges are few and asked for with every request. */
const ranges = new Map<string, BlockList>();
const maxRanges = 10_000;

function isInRange(address: string, range: string): boolean {
  if (address.includes(':') !== range.includes(':')) return false;
  let list = ranges.get(range);
  if (!list) {
    try {
      list = blockList(range);
    } catch {
      list = new BlockList(); // stored by somebody who skipped validation: nothing is in it
    }
    if (ranges.size >= maxRanges) ranges.clear();
    ranges.set(range, list);
  }
  return inList(list, address);
}

function inList(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function blockList(...cidrs: string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix = ''] = cidr.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
