import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** One of the addresses of `host`, at random: a name may stand for several servers. */
export async function resolveAddress(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  const addresses = await lookup(host, { all: true });
  const chosen = addresses[Math.floor(Math.random() * addresses.length)];
  if (!chosen) throw new Error(`lookup ${host}: no address`);
  return chosen.address;
}
