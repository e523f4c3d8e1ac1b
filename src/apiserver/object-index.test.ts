import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CachedObject } from './cached-object.ts';
import { ObjectIndex } from './object-index.ts';

function object(id: string): CachedObject {
  const stored = Buffer.from('{"kind":"ConfigMap","metadata":{"name":"x"}}');
  return new CachedObject({ id, stored, revision: 1, createRevision: 1 });
}

const ids = (objects: readonly CachedObject[]) => objects.map(({ id }) => id);

test('objects come in the order of their keys, as a whole and by namespace', () => {
  const index = new ObjectIndex();
  for (const id of ['b/2', 'a/z', 'a-b/x', 'a/a', 'b/1', 'b/10']) index.set(object(id));
  assert.deepEqual(ids(index.in(undefined)), ['a-b/x', 'a/a', 'a/z', 'b/1', 'b/10', 'b/2']);
  assert.deepEqual(ids(index.in('b')), ['b/1', 'b/10', 'b/2']);
  assert.deepEqual(ids(index.in('none')), []);
});

test('an object is replaced and removed by its id', () => {
  const index = new ObjectIndex();
  const first = object('a/x');
  assert.equal(index.set(first), undefined);
  assert.equal(index.set(object('a/x')), first);
  assert.equal(index.size, 1);
  assert.equal(index.delete('a/y'), undefined);
  assert.equal(index.delete('a/x')?.id, 'a/x');
  assert.deepEqual([index.size, ids(index.in(undefined)), ids(index.in('a'))], [0, [], []]);
});
