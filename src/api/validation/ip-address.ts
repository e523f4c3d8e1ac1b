import { BlockList, isIP } from 'node:net';
import { type FieldError, invalid } from '../field-error.ts';

/** Go's parser of old takes leading zeros and has been kept for fields that took them: `010.0.0.1` is 10.0.0.1. */
export function isLooseIp(address: string): boolean {
  return isIP(withoutLeadingZeros(address)) !== 0;
}

/** For fields of old types. What is stored already stays. */
export function validateLegacyIp(address: string, path: string, stored: readonly string[] = []): FieldError[] {
  if (stored.includes(address)) return [];
  const detail = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
  if (!isLooseIp(address)) return [invalid(path, address, detail)];
  const errors: FieldError[] = [];
  if (isIP(address) === 0) errors.push(invalid(path, address, 'must not have leading 0s'));
  if (/^::ffff:[\d.]+$/i.test(address)) errors.push(invalid(path, address, 'must not be an IPv4-mapped IPv6 address'));
  return errors;
}

export function validateLegacyCidr(cidr: string, path: string): FieldError[] {
  const [address = '', bits = '', ...rest] = cidr.split('/');
  const version = isIP(withoutLeadingZeros(address));
  const max = version === 4 ? 32 : 128;
  if (version === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > max) {
    return [invalid(path, cidr, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
  }
  if (isIP(address) === 0) return [invalid(path, cidr, 'must not have leading 0s in IP or prefix length')];
  return [];
}

/** Addresses that never are a backend's: what a slice must not let the control plane or a proxy dial (CVE-2021-25737). */
export function validateEndpointIp(address: string, path: string): FieldError[] {
  const plain = withoutLeadingZeros(address);
  const version = isIP(plain);
  if (version === 0) return [invalid(path, address, 'must be a valid IP address')];
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const within = (list: BlockList) => list.check(plain, family);
  const errors: FieldError[] = [];
  if (within(unspecified)) errors.push(invalid(path, address, `may not be unspecified (${address})`));
  if (within(loopback)) {
    errors.push(invalid(path, address, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'));
  }
  if (within(linkLocal)) {
    errors.push(invalid(path, address, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'));
  }
  if (within(linkLocalMulticast)) {
    errors.push(invalid(path, address, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'));
  }
  return errors;
}

const unspecified = blockList('0.0.0.0/32', '::/128');
/** Without the addresses that nodes without a network of their own give their pods: 127.64.0.0 to 127.191.255.255. Upstream refuses these too. */
const loopback = blockList('127.0.0.0/10', '127.192.0.0/10', '::1/128');
const linkLocal = blockList('169.254.0.0/16', 'fe80::/10');
const linkLocalMulticast = blockList('224.0.0.0/24', 'ff02::/16');

/** IPv4 addresses mapped into IPv6 are looked up as IPv4 by `BlockList` itself. */
function blockList(...cidrs: string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/');
    list.addSubnet(address, Number(bits), address.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}

function withoutLeadingZeros(address: string): string {
  return address.includes(':') ? address : address.replace(/(^|\.)0+(?=\d)/g, '$1');
}
