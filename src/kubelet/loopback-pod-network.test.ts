import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopbackPodNetwork } from './loopback-pod-network.ts';

const onLinux = { skip: process.platform !== 'linux' };

test('each pod gets an address of its own, the same again, and the one it had before', onLinux, async () => {
  const network = new LoopbackPodNetwork('127.9.0.0/29');
  assert.equal(await network.attach('a', {}), '127.9.0.2');
  assert.equal(await network.attach('b', { wanted: '127.9.0.5' }), '127.9.0.5');
  assert.equal(await network.attach('a', {}), '127.9.0.2');
  assert.equal(await network.attach('c', { wanted: '127.9.0.5' }), '127.9.0.3');
});

test('addresses run out with an error, and come back when a pod has gone', onLinux, async () => {
  const network = new LoopbackPodNetwork('127.9.0.0/30');
  await network.attach('a', {});
  await assert.rejects(network.attach('b', {}), /no address is left in 127\.9\.0\.0\/30/);
  await network.detach('a');
  assert.equal(await network.attach('b', {}), '127.9.0.2');
});

test('a range outside loopback is refused', () => {
  for (const cidr of ['10.0.0.0/16', '127.0.0.0/31', 'x'])
    assert.throws(() => new LoopbackPodNetwork(cidr), RangeError);
});
