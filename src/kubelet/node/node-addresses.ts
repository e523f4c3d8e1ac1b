import { lookup } from 'node:dns/promises';
import type { NodeAddress } from '../../api/kubernetes/core-v1.ts';

/**
 * The addresses of a node that is told none. The name is among them only where it can be resolved: API servers that prefer
 * `Hostname` (upstream's default order) dial it.
 */
export async function findAddresses(name: string, host: string): Promise<NodeAddress[]> {
  const address = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const found = await lookup(name).catch(() => undefined);
  const internal = { type: 'InternalIP', address };
  return found ? [internal, { type: 'Hostname', address: name }] : [internal];
}
