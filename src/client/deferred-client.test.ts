import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../api/object.ts';
import type { ApiClient } from './client.ts';
import { deferredClient } from './deferred-client.ts';
import { pods } from './resources.ts';

/** A client of which only `get` is used. */
const answering = (object: KubeObject, onDispose = () => {}) =>
  ({ get: async () => object, [Symbol.asyncDispose]: async () => onDispose() }) as unknown as ApiClient;

test('opens once, at the first call, and closes what it opened', async () => {
  let opened = 0;
  let closed = 0;
  const client = deferredClient('https://server', async () => {
    opened++;
    return answering({ kind: 'Pod' }, () => closed++);
  });
  assert.equal(opened, 0);
  await Promise.all([client.get(pods, { name: 'a' }), client.get(pods, { name: 'b' })]);
  assert.equal(opened, 1);
  await client[Symbol.asyncDispose]();
  assert.equal(closed, 1);
});

test('a failed opening fails the call, and the next call tries again', async () => {
  let tries = 0;
  await using client = deferredClient('https://server', async () => {
    if (++tries === 1) throw new Error('no certificate');
    return answering({ kind: 'Pod' });
  });
  await assert.rejects(client.get(pods, { name: 'a' }), { message: 'no certificate' });
  assert.deepEqual(await client.get(pods, { name: 'a' }), { kind: 'Pod' });
});

test('nothing is opened to be closed', async () => {
  const client = deferredClient('https://server', async () => assert.fail('opened'));
  client.rotate();
  await client[Symbol.asyncDispose]();
});
