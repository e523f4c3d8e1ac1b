import { isIPv4 } from 'node:net';
import { ConfigError } from '../../lib/config-error.ts';

export const defaultLoopbackRange = '127.96.0.0/16';

/**
 * The loopback address on which a Service with this cluster address is served: the cluster address' last bits within the range, so that
 * it is known beforehand (10.96.0.1 is 127.96.0.1), for example to whoever makes certificates. IPv6 addresses give one by the same rule.
 * @throws {ConfigError} if the range is no range of loopback addresses
 */
export function loopbackAddressOf(clusterIp: string, range = defaultLoopbackRange): string {
  const [base = '', bits = ''] = range.split('/');
  const prefix = Number(bits);
  if (!isIPv4(base) || !base.startsWith('127.') || !/^\d+$/.test(bits) || prefix < 8 || prefix > 24) {
    throw new ConfigError(
      `the range ${JSON.stringify(range)} of Service listeners must lie in 127.0.0.0/8, from /8 to /24`,
    );
  }
  const size = 2 ** (32 - prefix);
  const network = Math.floor(toNumber(base) / size) * size;
  const offset = isIPv4(clusterIp) ? toNumber(clusterIp) % size : lastBits(clusterIp) % size;
  // The network's own address and its broadcast are taken by nobody else, but look like mistakes.
  const usable = Math.min(Math.max(offset, 1), size - 2);
  return [24, 16, 8, 0].map((shift) => Math.floor((network + usable) / 2 ** shift) % 256).join('.');
}

function toNumber(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

function lastBits(address: string): number {
  return Number.parseInt(address.split(':').at(-1) || '0', 16);
}
