import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressToNumber, formatAddress, parseAddressRange } from './address-range.ts';

test('addresses become numbers and back', () => {
  for (const [address, family] of [
    ['10.96.0.1', 'IPv4'],
    ['255.255.255.255', 'IPv4'],
    ['fd00::1', 'IPv6'],
    ['fd00:1:2:3:4:5:6:7', 'IPv6'],
    ['::', 'IPv6'],
  ] as const) {
    assert.equal(formatAddress(addressToNumber(address), family), address);
  }
  assert.equal(addressToNumber('::ffff:10.0.0.1'), 0xffff0a000001n);
});

test('a range leaves out the network and, in IPv4, broadcast', () => {
  const four = parseAddressRange('10.96.0.0/12', '--x');
  assert.equal(formatAddress(four.first, four.family), '10.96.0.1');
  assert.equal(formatAddress(four.last, four.family), '10.111.255.254');
  const six = parseAddressRange('fd00::/108', '--x');
  assert.equal(formatAddress(six.first, six.family), 'fd00::1');
  assert.equal(formatAddress(six.last, six.family), 'fd00::f:ffff');
});

test('what is no range is an error of configuration', () => {
  for (const bad of ['', '10.96.0.0', '10.96.0.0/33', '10.96.0.0/31', 'x/12', 'fd00::/129', '10.96.0.0/-1']) {
    assert.throws(() => parseAddressRange(bad, '--x'), { name: 'ConfigError' }, bad);
  }
});
