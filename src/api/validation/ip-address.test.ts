import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateEndpointIp, validateLegacyIp } from './ip-address.ts';

test('an endpoint is never the host itself or its link', () => {
  for (const address of [
    '127.0.0.1',
    '127.255.0.1',
    '::1',
    '0.0.0.0',
    '::',
    '169.254.169.254',
    'fe80::1',
    '224.0.0.1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '127.000.000.001',
  ]) {
    assert.equal(validateEndpointIp(address, 'ip').length, 1, address);
  }
  for (const address of ['127.63.255.255', '127.192.0.0']) {
    assert.equal(validateEndpointIp(address, 'ip').length, 1, address);
  }
  // Where pods have their addresses when the node has no network of its own.
  for (const address of ['127.64.0.0', '127.191.255.255']) assert.deepEqual(validateEndpointIp(address, 'ip'), []);
  for (const address of ['10.0.0.1', '192.168.1.1', '8.8.8.8', 'fd00::1', '2001:db8::1']) {
    assert.deepEqual(validateEndpointIp(address, 'ip'), [], address);
  }
});

test('addresses are read strictly unless they are stored so already', () => {
  const errors = (address: string, stored?: string[]) =>
    validateLegacyIp(address, 'ip', stored).map(({ body }) => body);
  assert.deepEqual(errors('10.0.0.1'), []);
  assert.deepEqual(errors('010.0.0.1'), ['Invalid value: "010.0.0.1": must not have leading 0s']);
  assert.deepEqual(errors('010.0.0.1', ['010.0.0.1']), []);
  assert.deepEqual(errors('::ffff:10.0.0.1'), [
    'Invalid value: "::ffff:10.0.0.1": must not be an IPv4-mapped IPv6 address',
  ]);
  assert.equal(errors('10.0.0').length, 1);
});
