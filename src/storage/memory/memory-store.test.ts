import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeSuite } from '../store-suite.ts';
import { openMemoryStore } from './memory-store.ts';

storeSuite('memory', openMemoryStore);

test('memory: history beyond its bound is forgotten early, and the entries stay', async () => {
  await using store = await openMemoryStore({ maxHistoryBytes: 100_000 });
  for (let index = 0; index < 1000; index++) await store.put(`/a/${index % 20}`, new Uint8Array(1000));
  const kept = store.revision - store.compactedRevision;
  assert.ok(kept > 30 && kept < 100, `${kept} revisions are kept`);
  assert.equal((await store.range({ start: '/a/', end: '/a0' })).count, 20);
  await assert.rejects(store.range({ start: '/a/', end: '/a0', revision: 500 }), { reason: 'Compacted' });
});

test('memory: values are kept as they were given, without a copy', async () => {
  await using store = await openMemoryStore();
  const value = new Uint8Array(10);
  await store.put('/a', value);
  assert.equal((await store.get('/a')).entry?.value, value);
});
