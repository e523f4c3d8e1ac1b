import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObjectMeta } from '../kubernetes/meta-v1.ts';
import { validateObjectMeta } from './object-meta.ts';

const fields = (
  meta: ObjectMeta,
  nameRule: Parameters<typeof validateObjectMeta>[1]['nameRule'] = 'dns1123Subdomain',
) => validateObjectMeta({ namespace: 'n', ...meta }, { namespaced: true, nameRule }).map(({ field }) => field);

test('names follow the rule of their resource', () => {
  assert.deepEqual(fields({ name: 'a.b-c' }), []);
  assert.deepEqual(fields({ name: 'A' }), ['metadata.name']);
  assert.deepEqual(fields({ name: 'a'.repeat(254) }), ['metadata.name']);
  assert.deepEqual(fields({ name: 'a.b' }, 'dns1123Label'), ['metadata.name']);
  assert.deepEqual(fields({ name: '1a' }, 'dns1035Label'), ['metadata.name']);
  assert.deepEqual(fields({ name: 'system:a' }, 'pathSegment'), []);
  for (const name of ['.', '..', 'a/b', 'a%b']) assert.deepEqual(fields({ name }, 'pathSegment'), ['metadata.name']);
  assert.deepEqual(fields({}), ['metadata.name']);
});

test('a base for names may end with a dash', () => {
  assert.deepEqual(fields({ name: 'a-x', generateName: 'a-' }), []);
  assert.deepEqual(fields({ name: 'a-x', generateName: 'Ab-' }), ['metadata.generateName']);
});

test('a namespace is there exactly where one belongs', () => {
  const cluster = validateObjectMeta({ name: 'a', namespace: 'n' }, { namespaced: false, nameRule: 'dns1123Label' });
  assert.deepEqual(cluster, [
    { type: 'FieldValueForbidden', field: 'metadata.namespace', body: 'Forbidden: not allowed on this type' },
  ]);
});

test('annotations together have a bound', () => {
  const half = 'x'.repeat(128 * 1024 - 1);
  assert.deepEqual(fields({ name: 'a', annotations: { a: half, b: half } }), []);
  assert.deepEqual(fields({ name: 'a', annotations: { a: half, b: `${half}y` } }), ['metadata.annotations']);
});
