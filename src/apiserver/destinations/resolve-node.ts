import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { badRequest, internalError, notFound } from '../../api/errors.ts';
import type { Node } from '../../api/kubernetes/core-v1.ts';
import { kubeletAddress } from '../node-streams/kubelet-address.ts';
import { addressNotAllowed } from './address-not-allowed.ts';
import { refusedKubeletAddress, refusedNodeAddress } from './address-rules.ts';
import type { Destination, DestinationOptions } from './destination.ts';

export interface NodeReference {
  readonly name: string;
  /** Empty is the kubelet's. */
  readonly port: string;
}

export interface NodeDestinationOptions extends DestinationOptions {
  readonly preferredAddressTypes: readonly string[];
  /** Whether the kubelet's certificate is verified. */
  readonly kubeletVerified: boolean;
  /** All addresses of a host name. @default the system's resolver */
  readonly lookupAll?: (hostname: string) => Promise<readonly string[]>;
}

export interface NodeDestination extends Destination {
  /** Whether this is the kubelet's own port: then the kubelet proves itself by the node's identity. */
  readonly kubelet: boolean;
}

/**
 * Where a node is reached. A host name is resolved once, every address it has is judged, and the first of them is what is dialled: asking again
 * could be answered differently (CVE-2020-8562). The rules hold for the kubelet's port too (CVE-2022-3294).
 * @throws {ApiError} 404; 400 `address not allowed`
 */
export async function resolveNode(reference: NodeReference, options: NodeDestinationOptions): Promise<NodeDestination> {
  const { name, port: asked } = reference;
  const node = options.objects.get<Node>('nodes', { namespace: '', name });
  if (!node) throw notFound({ group: '', resource: 'nodes' }, name);
  const { host, port: kubeletPort } = addressOf(node, options.preferredAddressTypes);
  const port = asked === '' ? kubeletPort : Number(asked);
  if (!/^\d*$/.test(asked) || port < 1 || port > 65_535) {
    throw badRequest(`invalid node request ${JSON.stringify(`${name}:${asked}`)}`);
  }
  const kubelet = port === kubeletPort;
  const addresses = isIP(host) ? [host] : await (options.lookupAll ?? systemLookup)(host);
  const [address] = addresses;
  if (address === undefined) throw badRequest(`no addresses for hostname: ${host}`);
  for (const candidate of addresses) {
    const refusal = kubelet
      ? refusedKubeletAddress(candidate, { ...options, verified: options.kubeletVerified })
      : refusedNodeAddress(candidate, options);
    if (refusal !== undefined) throw addressNotAllowed(refusal);
  }
  return { host: address, port, node: name, pod: undefined, protocolHint: undefined, kubelet };
}

function addressOf(node: Node, preferredTypes: readonly string[]): { host: string; port: number } {
  try {
    return kubeletAddress(node, preferredTypes);
  } catch (cause) {
    throw internalError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

async function systemLookup(hostname: string): Promise<readonly string[]> {
  try {
    return (await lookup(hostname, { all: true })).map(({ address }) => address);
  } catch (cause) {
    throw badRequest(`no addresses for hostname: ${hostname}`, { cause });
  }
}
