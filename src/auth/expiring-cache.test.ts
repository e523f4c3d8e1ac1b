import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpiringCache } from './expiring-cache.ts';

test('entries end at their time, and the first goes when there are too many', () => {
  let nowMs = 0;
  const cache = new ExpiringCache<number>({
    maxEntries: 2,
    clock: { now: () => nowMs, delay: () => Promise.resolve() },
  });
  cache.set('a', 1, 10);
  cache.set('b', 2, 20);
  assert.equal(cache.get('a'), 1);
  cache.set('c', 3, 30);
  assert.deepEqual([cache.get('a'), cache.get('b'), cache.get('c')], [undefined, 2, 3]);
  nowMs = 20;
  assert.deepEqual([cache.get('b'), cache.size], [undefined, 1]);
});
