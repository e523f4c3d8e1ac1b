import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import { attributesFor, MemoryLive, refusalOf } from './admission-attributes-suite.ts';
import { NamespaceLifecycle } from './namespace-lifecycle.ts';

function setUp() {
  const objects = new MemoryObjects();
  const live = new MemoryLive();
  objects.set('namespaces', { metadata: { name: 'here' } });
  const going = { metadata: { name: 'going' }, status: { phase: 'Terminating' } };
  objects.set('namespaces', going);
  live.set('namespaces', { metadata: { name: 'fresh' } });
  return new NamespaceLifecycle({ objects, live });
}

test('content goes only into namespaces that exist, seen live where the cache is behind', async () => {
  const plugin = setUp();
  const create = (namespace: string) =>
    refusalOf(plugin, { operation: 'CREATE', resource: 'pods', namespace, object: { metadata: { name: 'p' } } });
  assert.equal(await create('here'), undefined);
  assert.equal(await create('fresh'), undefined);
  assert.equal(await create('nowhere'), 'namespaces "nowhere" not found');
});

test('a namespace that is going takes nothing new but lets its content be changed and deleted', async () => {
  const plugin = setUp();
  const request = { resource: 'pods', namespace: 'going', name: 'p', object: { metadata: { name: 'p' } } };
  await assert.rejects(async () => plugin.admit(attributesFor({ operation: 'CREATE', ...request })), {
    reason: 'Forbidden',
    message: 'pods "p" is forbidden: unable to create new content in namespace going because it is being terminated',
    details: {
      name: 'p',
      kind: 'pods',
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: 'namespace going is being terminated',
          field: 'metadata.namespace',
        },
      ],
    },
  });
  assert.equal(await refusalOf(plugin, { operation: 'UPDATE', ...request }), undefined);
  assert.equal(await refusalOf(plugin, { operation: 'DELETE', ...request }), undefined);
});

test('system namespaces are not deleted, others are', async () => {
  const plugin = setUp();
  const remove = (name: string) =>
    refusalOf(plugin, { operation: 'DELETE', resource: 'namespaces', namespace: name, name });
  for (const name of ['default', 'kube-system', 'kube-public']) {
    assert.equal(await remove(name), `namespaces "${name}" is forbidden: this namespace may not be deleted`);
  }
  assert.equal(await remove('here'), undefined);
});
