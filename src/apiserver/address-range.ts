import { isIPv4 } from 'node:net';
import { ConfigError } from '../lib/config-error.ts';

/** The first usable address of an IPv4 range such as `10.96.0.0/12`. @throws {ConfigError} */
export function firstAddress(range: string): string {
  return formatAddress(parseRange(range).first);
}

export interface AddressRange {
  /** The first and last usable address: not those of the network and of the broadcast. */
  readonly first: number;
  readonly last: number;
}

/** @throws {ConfigError} */
export function parseRange(range: string): AddressRange {
  const [address = '', bits = ''] = range.split('/');
  const prefix = Number(bits);
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || prefix < 8 || prefix > 30) {
    throw new ConfigError(`--service-cluster-ip-range: ${JSON.stringify(range)} is no IPv4 range of /8 to /30`);
  }
  const size = 2 ** (32 - prefix);
  const network = Math.floor(parseAddress(address) / size) * size;
  return { first: network + 1, last: network + size - 2 };
}

/** An IPv4 address as a number. */
export function parseAddress(address: string): number {
  return address.split('.').reduce((number, part) => number * 256 + Number(part), 0);
}

export function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
