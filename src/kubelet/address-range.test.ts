import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressRange } from './address-range.ts';

test('the first address is the gateway’s, the network and the last one are nobody’s', () => {
  const range = new AddressRange('10.244.3.0/29');
  assert.equal(range.gateway, '10.244.3.1');
  const claimed = ['a', 'b', 'c', 'd', 'e'].map((pod) => range.claim(pod));
  assert.deepEqual(claimed, ['10.244.3.2', '10.244.3.3', '10.244.3.4', '10.244.3.5', '10.244.3.6']);
  assert.throws(() => range.claim('f'), /no address is left in 10\.244\.3\.0\/29/);
});

test('an address that was freed rests before it is given again, unless it is wanted', () => {
  const range = new AddressRange('10.244.3.0/29');
  assert.equal(range.claim('a'), '10.244.3.2');
  range.release('a');
  assert.equal(range.claim('b'), '10.244.3.3');
  assert.equal(range.claim('c', '10.244.3.2'), '10.244.3.2');
});

test('what is wanted but taken, outside, or the gateway’s, is not given', () => {
  const range = new AddressRange('10.244.3.0/24');
  range.claim('a', '10.244.3.7');
  for (const wanted of ['10.244.3.7', '10.244.4.9', '10.244.3.1', '10.244.3.255', 'x']) {
    assert.notEqual(range.claim(`pod wanting ${wanted}`, wanted), wanted);
  }
});

test('what is no range of IPv4 addresses is refused', () => {
  for (const cidr of ['10.0.0.0', '10.0.0.1/24', '10.0.0.0/31', '10.0.0.0/4', 'fd00::/64', '']) {
    assert.throws(() => new AddressRange(cidr), RangeError, cidr);
  }
});
