import { createHash } from 'node:crypto';

/**
 * The node's own address in its island, by its data directory: 172.16.0.1 to 172.31.255.254. No other network has a path to it, so that it may be
 * anybody's elsewhere; that two islands of one cluster differ is for those who choose a node by its address.
 */
export function islandAddressOf(dataDirectory: string): string {
  const [first = 0, second = 0, third = 0] = createHash('sha256').update(dataDirectory).digest();
  return `172.${16 + (first % 16)}.${second}.${1 + (third % 254)}`;
}
