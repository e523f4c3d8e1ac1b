import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, JsonValue } from '../object.ts';
import { applyJsonPatch, maxJsonPatchOperations } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

function frozen<T extends JsonValue>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value);
    for (const child of Object.values(value)) frozen(child);
  }
  return value;
}

test('a json patch does its operations in order', () => {
  const document = frozen({ a: { b: [1, 2] }, 'x/y': 1, '~': 2 });
  const patched = applyJsonPatch(document, [
    { op: 'test', path: '/a/b/0', value: 1 },
    { op: 'test', path: '/missing', value: null },
    { op: 'add', path: '/a/b/-', value: 3 },
    { op: 'add', path: '/a/b/0', value: 0 },
    { op: 'remove', path: '/x~1y' },
    { op: 'replace', path: '/~0', value: { c: 1 } },
    { op: 'copy', from: '/~0', path: '/copied' },
    { op: 'add', path: '/~0/d', value: 2 },
    { op: 'move', from: '/a/b/1', path: '/moved' },
  ]);
  assert.deepEqual(patched, { a: { b: [0, 2, 3] }, '~': { c: 1, d: 2 }, copied: { c: 1 }, moved: 1 });
});

test('a json patch that does not apply is 422 with the generic text', () => {
  const rejected = {
    reason: 'Invalid',
    code: 422,
    message: 'the server rejected our request due to an error in our request',
  };
  const cases = [
    { op: 'test', path: '/a', value: 2 },
    { op: 'remove', path: '/b' },
    { op: 'replace', path: '/b', value: 1 },
    { op: 'add', path: '/b/c', value: 1 },
    { op: 'add', path: '/l/2', value: 1 },
    { op: 'add', path: '/l/01', value: 1 },
    { op: 'move', from: '/o', path: '/o/p' },
    { op: 'copy', path: '/x' },
    { op: 'jump', path: '/a' },
    { op: 'add', path: 'a' },
    { op: 'remove', path: '/__proto__' },
  ];
  for (const operation of cases) {
    assert.throws(() => applyJsonPatch({ a: 1, l: [1], o: {} }, [operation]), rejected, JSON.stringify(operation));
  }
  assert.throws(() => applyJsonPatch({}, {}), { reason: 'BadRequest' });
});

test('a json patch has limits', () => {
  const many = Array(maxJsonPatchOperations + 1).fill({ op: 'test', path: '', value: {} });
  assert.throws(() => applyJsonPatch({}, many), {
    reason: 'RequestEntityTooLarge',
    message: 'The allowed maximum operations in a JSON patch is 10000, got 10001',
  });
  const doubling = Array(400).fill({ op: 'copy', from: '/a', path: '/a/x' });
  assert.throws(() => applyJsonPatch({ a: { b: 'x'.repeat(100) } }, doubling), { reason: 'Invalid' });
});

test('a merge patch merges, replaces and removes', () => {
  const document = frozen({ a: { b: 1, c: [1, 2] }, d: 'x' });
  const patch = frozen({ a: { b: null, c: [3], e: { f: null, g: 1 } }, d: { h: 1 }, i: null });
  assert.deepEqual(applyMergePatch(document, patch), { a: { c: [3], e: { g: 1 } }, d: { h: 1 } });
  assert.throws(() => applyMergePatch({}, []), { reason: 'BadRequest' });
});

test('a merge patch cannot reach a prototype', () => {
  const patched = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'));
  assert.equal(({} as JsonObject)['polluted'], undefined);
  assert.equal(Object.getPrototypeOf(patched), Object.prototype);
});

const podModel = 'io.k8s.api.core.v1.Pod';
const deploymentModel = 'io.k8s.api.apps.v1.Deployment';

function patchPod(document: JsonObject, patch: JsonObject): JsonObject {
  return applyStrategicMergePatch(frozen(document), frozen(patch), podModel);
}

const named = (...names: string[]) => names.map((name) => ({ name }));
const names = (document: JsonObject) =>
  ((document['spec'] as JsonObject)['containers'] as JsonObject[]).map(({ name }) => name).join('');

test('a strategic patch merges containers by name and keeps the others; as upstream has it, new ones go before those only the server has', () => {
  const pod: JsonObject = {
    spec: { containers: [{ name: 'a', image: '1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }] },
  };
  const patch: JsonObject = {
    spec: { containers: [{ name: 'a', image: '2', env: [{ name: 'Y', value: '2' }] }, { name: 'c' }] },
  };
  assert.deepEqual(patchPod(pod, patch), {
    spec: {
      containers: [
        {
          name: 'a',
          image: '2',
          env: [
            { name: 'Y', value: '2' },
            { name: 'X', value: '1' },
          ],
        },
        { name: 'c' },
        { name: 'b' },
      ],
    },
  });
});

test('lists without a merge strategy are replaced', () => {
  const pod = { spec: { containers: [{ name: 'a', args: ['1'] }], tolerations: [{ key: 'x' }] } };
  const patch = { spec: { containers: [{ name: 'a', args: ['2'] }], tolerations: [{ key: 'y' }] } };
  assert.deepEqual(patchPod(pod, patch), patch);
});

test('elements are deleted and lists replaced by directive', () => {
  const pod = { spec: { containers: named('a', 'b', 'c') } };
  assert.equal(names(patchPod(pod, { spec: { containers: [{ $patch: 'delete', name: 'b' }] } })), 'ac');
  assert.equal(names(patchPod(pod, { spec: { containers: [{ $patch: 'replace' }, { name: 'z' }] } })), 'z');
  assert.deepEqual(
    patchPod({ metadata: { labels: { a: '1' } } }, { metadata: { labels: { $patch: 'replace', b: '2' } } }),
    {
      metadata: { labels: { b: '2' } },
    },
  );
  assert.deepEqual(patchPod({ metadata: { labels: { a: '1' } } }, { metadata: { labels: { $patch: 'delete' } } }), {
    metadata: { labels: {} },
  });
});

test('finalizers are a set that is joined and taken from', () => {
  const pod = { metadata: { finalizers: ['a', 'b'] } };
  assert.deepEqual(patchPod(pod, { metadata: { finalizers: ['b', 'c'] } }), {
    metadata: { finalizers: ['a', 'b', 'c'] },
  });
  const directive = { '$deleteFromPrimitiveList/finalizers': ['a'] };
  assert.deepEqual(patchPod(pod, { metadata: directive }), { metadata: { finalizers: ['b'] } });
  const ordered = { '$setElementOrder/finalizers': ['c', 'b'], finalizers: ['c'], ...directive };
  assert.deepEqual(patchPod(pod, { metadata: ordered }), { metadata: { finalizers: ['c', 'b'] } });
});

test('$setElementOrder orders what is merged', () => {
  const pod = { spec: { containers: named('a', 'b', 'c', 'd') } };
  const order = (list: string[], containers: JsonValue[] = []) => ({
    spec: { '$setElementOrder/containers': named(...list), containers },
  });
  assert.equal(names(patchPod(pod, order(['d', 'a']))), 'bcda');
  assert.equal(names(patchPod(pod, order(['n', 'a'], [{ name: 'n' }]))), 'nabcd');
  assert.equal(names(patchPod(pod, { spec: { '$setElementOrder/containers': named('b', 'a') } })), 'bacd');
  assert.throws(() => patchPod(pod, order(['a'], [{ name: 'n' }])), {
    code: 500,
    reason: '',
    message: /doesn't match \$setElementOrder list/,
  });
});

test('$retainKeys drops what is not listed', () => {
  const deployment = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } };
  assert.deepEqual(applyStrategicMergePatch(frozen(deployment), frozen(patch), deploymentModel), {
    spec: { strategy: { type: 'Recreate' } },
  });
  const wrong = { spec: { strategy: { $retainKeys: ['type'], rollingUpdate: {} } } };
  assert.throws(() => applyStrategicMergePatch(deployment, wrong, deploymentModel), {
    code: 422,
    message: "patch content doesn't match retainKeys list",
  });
});

test('directives and nulls do not survive where nothing was', () => {
  const patch: JsonObject = {
    metadata: { labels: { a: null, b: '1' } },
    spec: {
      '$setElementOrder/containers': named('a'),
      containers: [
        { name: 'a', $patch: 'delete' },
        { name: 'a', env: [{ $patch: 'delete', name: 'X' }] },
      ],
      volumes: [{ name: 'v', $retainKeys: ['name'] }],
    },
  };
  assert.deepEqual(patchPod({}, patch), {
    metadata: { labels: { b: '1' } },
    spec: { containers: [{ name: 'a', env: [] }], volumes: [{ name: 'v' }] },
  });
});

test('mistakes are told in the words of upstream', () => {
  const pod = { spec: { containers: named('a') }, metadata: { labels: {} } };
  assert.throws(() => patchPod(pod, { spec: { containers: [{ image: 'x' }] } }), {
    code: 500,
    message: 'map: map[image:x] does not contain declared merge key: name',
  });
  assert.throws(() => patchPod(pod, { spec: { containers: [{ name: 'a', $patch: 'merge' }] } }), {
    message: 'merging lists cannot yet be specified in the patch',
  });
  assert.throws(() => patchPod(pod, { metadata: { labels: { $patch: 'merge' } } }), { code: 500 });
  assert.throws(() => patchPod(pod, { spec: { '$setElementOrder/containers': 'a' } }), { code: 400 });
});
