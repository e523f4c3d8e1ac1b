import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashRounds } from './soak/storage-crash.ts';

test('a store that is killed in full write has lost no acknowledged write', async () => {
  const { acknowledged } = await crashRounds(2);
  assert.ok(acknowledged > 2 * 500);
});
