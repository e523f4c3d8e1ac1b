import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { scheme } from './scheme.ts';
import { compareVersions } from './version-order.ts';

test('every resource of discovery is found by name and by kind', () => {
  for (const info of scheme.resources) {
    assert.equal(scheme.find(info.group, info.version, info.resource), info);
    assert.equal(scheme.forKind(info), info);
    assert.ok(scheme.model(info.model).fields, info.model);
  }
  assert.equal(scheme.resources.length, 95);
});

test('the storage version of each resource is the one its storageVersionHash names', () => {
  for (const info of scheme.resources) {
    // Upstream hashes CustomResourceDefinition from a type of another group-version; it has one version only.
    if (info.storageVersionHash === undefined || info.resource === 'customresourcedefinitions') continue;
    const { group, version, kind } = scheme.storage(info.group, info.resource);
    const hash = createHash('sha256').update(`${group}/${version}/${kind}`).digest().subarray(0, 8).toString('base64');
    assert.equal(info.storageVersionHash, hash, `${info.group}/${info.version} ${info.resource}`);
  }
});

test('resources lie where upstream keeps them', () => {
  const prefix = (group: string, version: string, resource: string) =>
    scheme.find(group, version, resource)?.storagePrefix;
  assert.equal(prefix('', 'v1', 'pods'), '/registry/pods/');
  assert.equal(prefix('', 'v1', 'nodes'), '/registry/minions/');
  assert.equal(prefix('', 'v1', 'services'), '/registry/services/specs/');
  assert.equal(prefix('', 'v1', 'endpoints'), '/registry/services/endpoints/');
  assert.equal(prefix('', 'v1', 'replicationcontrollers'), '/registry/controllers/');
  assert.equal(prefix('networking.k8s.io', 'v1', 'ingresses'), '/registry/ingress/');
  assert.equal(prefix('events.k8s.io', 'v1', 'events'), '/registry/events/');
  assert.equal(
    prefix('apiextensions.k8s.io', 'v1', 'customresourcedefinitions'),
    '/registry/apiextensions.k8s.io/customresourcedefinitions/',
  );
});

test('the preferred version of a group comes first', () => {
  const versions = (name: string) =>
    scheme.groups.find((group) => group.name === name)?.versions.map(({ version }) => version);
  assert.deepEqual(versions('autoscaling'), ['v2', 'v1']);
  assert.deepEqual(versions('resource.k8s.io'), ['v1', 'v1beta2', 'v1beta1', 'v1alpha3']);
  assert.equal(scheme.groups[0]?.name, '');
});

test('subresources carry the kind they take', () => {
  const pods = scheme.find('', 'v1', 'pods');
  assert.deepEqual(pods?.subresources.get('eviction')?.kind, { group: 'policy', version: 'v1', kind: 'Eviction' });
  const scale = scheme.find('apps', 'v1', 'deployments')?.subresources.get('scale');
  assert.deepEqual(scale?.kind, { group: 'autoscaling', version: 'v1', kind: 'Scale' });
});

test('no group of discovery is forgotten', () => {
  assert.equal(scheme.groups.length, 23);
});

test('versions are ordered by stability, then by number', () => {
  const shuffled = ['v1alpha1', 'foo', 'v2', 'v1beta2', 'v10', 'v1', 'v1beta10', 'bar'];
  assert.deepEqual(shuffled.sort(compareVersions), [
    'v10',
    'v2',
    'v1',
    'v1beta10',
    'v1beta2',
    'v1alpha1',
    'bar',
    'foo',
  ]);
});
