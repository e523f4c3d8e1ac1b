import type { Node, Pod } from '../../api/kubernetes/core-v1.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { type AddressRules, refusedPodAddress } from './address-rules.ts';

/** Every address that the pod has, the primary one first. */
export function addressesOf({ status }: Pod): readonly string[] {
  const listed = (status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => ip !== '');
  if (listed.length > 0) return listed;
  return status?.podIP ? [status.podIP] : [];
}

/** Why `pod` must not be dialled at `address`; `undefined` where it may. */
export function refusedAddressOf(
  pod: Pod,
  address: string,
  { objects, reserved }: AddressRules & { readonly objects: ObjectSource },
): string | undefined {
  const { nodeName, hostNetwork = false } = pod.spec ?? {};
  const { phase } = pod.status ?? {};
  const name = pod.metadata?.name ?? '';
  if (!nodeName) return `pod "${name}" has no node`;
  if (phase === 'Succeeded' || phase === 'Failed') {
    return `pod "${name}" has ended, and its address may be that of another pod`;
  }
  const node = objects.get<Node>('nodes', { namespace: '', name: nodeName });
  if (!node) return `node "${nodeName}" of pod "${name}" does not exist`;
  return refusedPodAddress(address, { node, hostNetwork, reserved });
}
