import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashRounds } from './storage-crash.ts';

test('a store that is killed in full write, fifteen times over, has lost no acknowledged write', async () => {
  const { acknowledged } = await crashRounds(15);
  assert.ok(acknowledged > 15 * 500);
});
