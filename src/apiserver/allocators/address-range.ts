import { isIP } from 'node:net';
import { ConfigError } from '../../lib/config-error.ts';

export type IpFamily = 'IPv4' | 'IPv6';

/** A range of addresses as numbers. */
export interface AddressRange {
  readonly cidr: string;
  readonly family: IpFamily;
  /** The first that may be given: the network's own address is left out. */
  readonly first: bigint;
  /** The last that may be given: IPv4's broadcast address is left out. */
  readonly last: bigint;
}

/** @throws {ConfigError} unless it is an IPv4 or IPv6 range with at least eight addresses */
export function parseAddressRange(cidr: string, option: string): AddressRange {
  const [address = '', bits = ''] = cidr.split('/');
  const version = isIP(address);
  const width = version === 4 ? 32 : 128;
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (version === 0 || !(prefix <= width - 3)) {
    throw new ConfigError(`${option}: ${JSON.stringify(cidr)} is no address range such as 10.96.0.0/12`);
  }
  const hostBits = BigInt(width - prefix);
  const network = (addressToNumber(address) >> hostBits) << hostBits;
  const broadcast = network + (1n << hostBits) - 1n;
  const family = version === 4 ? 'IPv4' : 'IPv6';
  return { cidr, family, first: network + 1n, last: family === 'IPv4' ? broadcast - 1n : broadcast };
}

export function familyOf(address: string): IpFamily {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** `address` must be one. */
export function addressToNumber(address: string): bigint {
  if (!address.includes(':')) {
    return address.split('.').reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
  }
  const [head = '', tail] = withoutDottedEnd(address).split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].reduce((sum, part) => (sum << 16n) + BigInt(`0x${part}`), 0n);
}

/** The canonical text. */
export function formatAddress(number: bigint, family: IpFamily): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => (number >> BigInt(112 - 16 * i)) & 0xffffn);
  const text = groups.map((group) => group.toString(16)).join(':');
  // The URL parser writes the shortest form.
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** `::ffff:10.0.0.1` with its last 32 bits in hexadecimal. */
function withoutDottedEnd(address: string): string {
  const at = address.lastIndexOf(':') + 1;
  const end = address.slice(at);
  if (!end.includes('.')) return address;
  const number = addressToNumber(end);
  return `${address.slice(0, at)}${(number >> 16n).toString(16)}:${(number & 0xffffn).toString(16)}`;
}
