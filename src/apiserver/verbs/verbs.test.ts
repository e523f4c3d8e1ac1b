import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { decodeProtobufObject, encodeProtobufObject } from '../../wire/object-protobuf.ts';
import { configMap, configMaps, openTestServer, type TestServer } from '../server-suite.ts';

let server: TestServer;
before(async () => {
  server = await openTestServer();
});
after(() => server[Symbol.asyncDispose]());

const post = (body: unknown, query = '') => server.request({ method: 'POST', path: configMaps + query, body });
const remove = (name: string, body?: unknown) =>
  server.request({ method: 'DELETE', path: `${configMaps}/${name}`, body });

test('a created object has what the server owns, and nothing the client made up', async () => {
  const created = await post(
    configMap('made', {
      metadata: { name: 'made', uid: 'mine', creationTimestamp: '2001-01-01T00:00:00Z', generation: 7 },
    }),
  );
  assert.equal(created.status, 201);
  const { metadata } = created.json;
  assert.equal(metadata.namespace, 'default');
  assert.match(metadata.uid, /^[0-9a-f-]{36}$/);
  assert.notEqual(metadata.creationTimestamp, '2001-01-01T00:00:00Z');
  assert.equal(metadata.generation, undefined);
  const read = await server.request({ path: `${configMaps}/made` });
  assert.deepEqual(read.json, created.json);
  assert.equal(read.headers['content-type'], 'application/json');
  assert.match(String(read.headers['audit-id']), /^[0-9a-f-]{36}$/);
});

test('a second object of the name, a given resourceVersion and another namespace are refused', async () => {
  await post(configMap('twice'));
  const again = await post(configMap('twice'));
  assert.deepEqual(
    [again.status, again.json.reason, again.json.message],
    [409, 'AlreadyExists', 'configmaps "twice" already exists'],
  );
  assert.deepEqual(again.json.details, { name: 'twice', kind: 'configmaps' });
  const versioned = await post(configMap('x', { metadata: { name: 'x', resourceVersion: '5' } }));
  assert.deepEqual(
    [versioned.status, versioned.json.message],
    [500, 'resourceVersion should not be set on objects to be created'],
  );
  const elsewhere = await post(configMap('x', { metadata: { name: 'x', namespace: 'other' } }));
  assert.deepEqual([elsewhere.status, elsewhere.json.reason], [400, 'BadRequest']);
});

test('generateName gives names that differ', async () => {
  const names = await Promise.all(
    [1, 2, 3].map(async () => (await post({ metadata: { generateName: 'gen-' } })).json.metadata.name),
  );
  assert.equal(new Set(names).size, 3);
  for (const name of names) assert.match(name, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
});

test('a dry run answers what would be and writes nothing', async () => {
  const dry = await post(configMap('dry'), '?dryRun=All');
  assert.deepEqual([dry.status, dry.json.metadata.name, dry.json.metadata.resourceVersion], [201, 'dry', undefined]);
  assert.equal((await server.request({ path: `${configMaps}/dry` })).status, 404);
  const wrong = await post(configMap('dry'), '?dryRun=Some');
  assert.equal(wrong.status, 422);
});

test('unknown fields are dropped, and told of as asked', async () => {
  const body = { ...configMap('strict'), surplus: 1 };
  const warned = await post(body);
  assert.equal(warned.headers['warning'], '299 - "unknown field \\"surplus\\""');
  assert.equal(warned.json.surplus, undefined);
  const strict = await post(body, '?fieldValidation=Strict');
  assert.deepEqual(
    [strict.status, strict.json.message],
    [400, 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "surplus"'],
  );
});

test('an update must be made from the newest state; one that changes nothing writes nothing', async () => {
  const created = (await post(configMap('upd', { data: { a: '1' } }))).json;
  const put = (body: unknown) => server.request({ method: 'PUT', path: `${configMaps}/upd`, body });
  const same = await put(created);
  assert.deepEqual([same.status, same.json.metadata.resourceVersion], [200, created.metadata.resourceVersion]);
  const changed = await put({ ...created, data: { a: '2' } });
  assert.equal(changed.json.metadata.uid, created.metadata.uid);
  assert.notEqual(changed.json.metadata.resourceVersion, created.metadata.resourceVersion);
  const stale = await put({ ...created, data: { a: '3' } });
  assert.deepEqual(
    [stale.status, stale.json.reason, stale.json.message],
    [
      409,
      'Conflict',
      'Operation cannot be fulfilled on configmaps "upd": the object has been modified; please apply your changes to the latest version and try again',
    ],
  );
  const unconditional = await put(configMap('upd', { data: { a: '4' } }));
  assert.deepEqual(
    [unconditional.status, unconditional.json.metadata.creationTimestamp],
    [200, created.metadata.creationTimestamp],
  );
  const renamed = await put(configMap('other'));
  assert.deepEqual(
    [renamed.status, renamed.json.message],
    [400, 'the name of the object (other) does not match the name on the URL (upd)'],
  );
  assert.equal(
    (await server.request({ method: 'PUT', path: `${configMaps}/none`, body: configMap('none') })).status,
    404,
  );
});

test('parallel patches without a resourceVersion are all applied', async () => {
  await post(configMap('race', { data: {} }));
  const patches = Array.from({ length: 10 }, (_, index) =>
    server.request({
      method: 'PATCH',
      path: `${configMaps}/race`,
      headers: { 'content-type': 'application/merge-patch+json' },
      body: { data: { [`k${index}`]: 'v' } },
    }),
  );
  for (const { status } of await Promise.all(patches)) assert.equal(status, 200);
  assert.equal(Object.keys((await server.request({ path: `${configMaps}/race` })).json.data).length, 10);
});

test('the three kinds of patches, and none else', async () => {
  await post(configMap('patched', { data: { a: '1', b: '2' } }));
  const patch = (type: string, body: unknown, query = '') =>
    server.request({ method: 'PATCH', path: `${configMaps}/patched${query}`, headers: { 'content-type': type }, body });
  const merged = await patch('application/merge-patch+json', { data: { a: null, c: '3' } });
  assert.deepEqual(merged.json.data, { b: '2', c: '3' });
  const json = await patch('application/json-patch+json; charset=utf-8', [
    { op: 'replace', path: '/data/b', value: 'new' },
  ]);
  assert.deepEqual(json.json.data, { b: 'new', c: '3' });
  const strategic = await patch('application/strategic-merge-patch+json', { metadata: { labels: { x: 'y' } } });
  assert.deepEqual(strategic.json.metadata.labels, { x: 'y' });
  assert.equal((await patch('text/plain', {})).status, 415);
  assert.equal((await patch('application/merge-patch+json', { metadata: { name: 'else' } })).status, 400);
  const strict = await patch('application/merge-patch+json', { nope: 1 }, '?fieldValidation=Strict');
  assert.deepEqual([strict.status, strict.json.reason], [422, 'Invalid']);
  const stale = await patch('application/merge-patch+json', { metadata: { resourceVersion: '1' } });
  assert.deepEqual([stale.status, stale.json.reason], [409, 'Conflict']);
});

test('finalizers keep a deleted object until the last one goes', async () => {
  await post(configMap('held', { metadata: { name: 'held', finalizers: ['example.com/hold'] } }));
  const deleted = await remove('held');
  assert.equal(deleted.status, 200);
  assert.equal(deleted.json.kind, 'ConfigMap');
  assert.ok(deleted.json.metadata.deletionTimestamp);
  assert.equal(deleted.json.metadata.deletionGracePeriodSeconds, 0);
  const again = await remove('held');
  assert.equal(again.json.metadata.resourceVersion, deleted.json.metadata.resourceVersion);
  const more = await server.request({
    method: 'PATCH',
    path: `${configMaps}/held`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { metadata: { finalizers: ['example.com/hold', 'example.com/more'] } },
  });
  assert.equal(more.status, 422);
  assert.match(more.json.message, /no new finalizers can be added if the object is being deleted/);
  const recreated = await post(configMap('held'));
  assert.match(recreated.json.message, /^object is being deleted: configmaps "held" already exists/);
  const freed = await server.request({
    method: 'PATCH',
    path: `${configMaps}/held`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { metadata: { finalizers: null } },
  });
  assert.equal(freed.status, 200);
  assert.equal((await server.request({ path: `${configMaps}/held` })).status, 404);
});

test('a Namespace is read, replaced and deleted by its name', async () => {
  const path = '/api/v1/namespaces/team';
  await server.request({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'team' } } });
  const read = await server.request({ path });
  assert.deepEqual([read.status, read.json.metadata.name], [200, 'team']);
  const labels = { ...read.json.metadata.labels, a: 'b' };
  const body = { ...read.json, metadata: { ...read.json.metadata, labels } };
  const replaced = await server.request({ method: 'PUT', path, body });
  assert.deepEqual([replaced.status, replaced.json.metadata.labels.a], [200, 'b']);
  assert.equal((await server.request({ method: 'DELETE', path })).status, 200);
});

test('a deletion answers a Status, keeps to its preconditions and knows what to do with dependents', async () => {
  const created = (await post(configMap('gone'))).json;
  const wrong = await remove('gone', { preconditions: { uid: 'other' } });
  assert.equal(wrong.status, 409);
  assert.match(wrong.json.message, /the UID in the precondition \(other\) does not match the UID in record/);
  const foreground = await remove('gone', { propagationPolicy: 'Foreground' });
  assert.deepEqual(foreground.json.metadata.finalizers, ['foregroundDeletion']);
  await server.request({
    method: 'PATCH',
    path: `${configMaps}/gone`,
    headers: { 'content-type': 'application/json-patch+json' },
    body: [{ op: 'remove', path: '/metadata/finalizers' }],
  });
  const plain = (await post(configMap('gone'))).json;
  assert.notEqual(plain.metadata.uid, created.metadata.uid);
  const deleted = await remove('gone', {
    propagationPolicy: 'Background',
    kind: 'DeleteOptions',
    apiVersion: 'apps/v1',
  });
  assert.deepEqual(deleted.json, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 'gone', kind: 'configmaps', uid: plain.metadata.uid },
  });
  assert.equal((await remove('gone')).status, 404);
  assert.equal((await remove('gone', { propagationPolicy: 'Sideways' })).status, 422);
});

test('a chunked list shows one revision, whatever is written meanwhile', async () => {
  const path = '/api/v1/namespaces/kube-public/configmaps';
  for (const name of ['a', 'b', 'c', 'd']) await server.request({ method: 'POST', path, body: configMap(name) });
  const first = (await server.request({ path: `${path}?limit=2` })).json;
  assert.deepEqual(first.items.map(nameOf), ['a', 'b']);
  assert.equal(first.metadata.remainingItemCount, 2);
  await server.request({ method: 'DELETE', path: `${path}/c` });
  await server.request({ method: 'POST', path, body: configMap('bb') });
  const next = `${path}?limit=1&continue=${first.metadata.continue}`;
  const second = (await server.request({ path: next })).json;
  assert.deepEqual(second.items.map(nameOf), ['c']);
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
  const third = (await server.request({ path: `${path}?continue=${second.metadata.continue}` })).json;
  assert.deepEqual([third.items.map(nameOf), third.metadata.continue], [['d'], undefined]);
  const now = (await server.request({ path })).json;
  assert.deepEqual(now.items.map(nameOf), ['a', 'b', 'bb', 'd']);
  const exact = (
    await server.request({
      path: `${path}?resourceVersion=${first.metadata.resourceVersion}&resourceVersionMatch=Exact`,
    })
  ).json;
  assert.deepEqual(exact.items.map(nameOf), ['a', 'b', 'c', 'd']);

  await server.store.compact(server.store.revision);
  const expired = await server.request({ path: next });
  assert.deepEqual([expired.status, expired.json.reason], [410, 'Expired']);
  const inconsistent = (await server.request({ path: `${path}?continue=${expired.json.metadata.continue}` })).json;
  assert.deepEqual(inconsistent.items.map(nameOf), ['bb', 'd']);
  assert.equal((await server.request({ path: `${path}?continue=nonsense` })).status, 400);
});

test('selectors choose by labels and fields', async () => {
  const path = '/api/v1/namespaces/kube-node-lease/configmaps';
  for (const [name, tier] of [
    ['one', 'web'],
    ['two', 'db'],
    ['three', 'web'],
  ]) {
    await server.request({
      method: 'POST',
      path,
      body: configMap(name as string, { metadata: { name, labels: { tier } } }),
    });
  }
  const names = async (query: string) => (await server.request({ path: `${path}?${query}` })).json.items.map(nameOf);
  assert.deepEqual(await names('labelSelector=tier%3Dweb'), ['one', 'three']);
  assert.deepEqual(await names('labelSelector=tier%20notin%20(web)'), ['two']);
  assert.deepEqual(await names('fieldSelector=metadata.name%3Dtwo'), ['two']);
  assert.deepEqual(await names('fieldSelector=metadata.name!%3Dtwo'), ['one', 'three']);
  assert.deepEqual(await names('labelSelector=tier%3Dweb&limit=1'), ['one']);
  assert.equal((await server.request({ path: `${path}?fieldSelector=spec.x%3D1` })).status, 400);
});

test('reads of a revision that is still to come wait, and then give up', async () => {
  const future = await server.request({ path: `${configMaps}?resourceVersion=999999` });
  assert.deepEqual([future.status, future.json.reason, future.headers['retry-after']], [504, 'Timeout', '1']);
  const wrong = await server.request({ path: `${configMaps}?resourceVersionMatch=Exact` });
  assert.equal(wrong.status, 422);
});

test('deletecollection deletes what a list would show', async () => {
  const path = '/api/v1/namespaces/kube-system/configmaps';
  for (const name of ['x', 'y']) {
    await server.request({
      method: 'POST',
      path,
      body: configMap(name, { metadata: { name, labels: { go: 'yes' } } }),
    });
  }
  const deleted = await server.request({ method: 'DELETE', path: `${path}?labelSelector=go%3Dyes` });
  assert.deepEqual([deleted.json.kind, deleted.json.items.map(nameOf).sort()], ['ConfigMapList', ['x', 'y']]);
  const left = (await server.request({ path })).json.items.map(nameOf);
  assert.deepEqual(left, ['extension-apiserver-authentication']);
});

test('bodies and answers in protobuf and YAML mean the same', async () => {
  const gvk = { group: '', version: 'v1', kind: 'ConfigMap' };
  const body = encodeProtobufObject(configMap('proto', { data: { a: 'b' } }), gvk);
  const type = 'application/vnd.kubernetes.protobuf';
  const created = await server.request({
    method: 'POST',
    path: configMaps,
    headers: { 'content-type': type, accept: `${type},application/json` },
    body,
  });
  assert.deepEqual([created.status, created.headers['content-type']], [201, type]);
  const json = (await server.request({ path: `${configMaps}/proto` })).json;
  assert.deepEqual(decodeProtobufObject(created.bytes).object, json);
  const list = await server.request({
    path: `${configMaps}?fieldSelector=metadata.name%3Dproto`,
    headers: { accept: type },
  });
  const { object } = decodeProtobufObject(list.bytes);
  assert.deepEqual((object['items'] as unknown[]).length, 1);
  const yaml = await server.request({ path: `${configMaps}/proto`, headers: { accept: 'application/yaml' } });
  assert.match(yaml.bytes.toString(), /^kind: ConfigMap\n/);
  const fromYaml = await server.request({
    method: 'POST',
    path: configMaps,
    headers: { 'content-type': 'application/yaml' },
    body: 'metadata: {name: yam}\ndata: {a: "1"}\n',
  });
  assert.equal(fromYaml.status, 201);
  const broken = await server.request({
    method: 'POST',
    path: configMaps,
    headers: { 'content-type': type },
    body: Buffer.from('k8s\0\xff\xff'),
  });
  assert.deepEqual([broken.status, broken.json.reason], [400, 'BadRequest']);
});

test('tables and metadata alone', async () => {
  await post(configMap('shown', { data: { secret: 'no' } }));
  const table = (
    await server.request({
      path: `${configMaps}/shown`,
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    })
  ).json;
  assert.equal(table.kind, 'Table');
  assert.equal(table.columnDefinitions[0].name, 'Name');
  assert.equal(table.rows[0].cells[0], 'shown');
  assert.equal(table.rows[0].object.kind, 'PartialObjectMetadata');
  const partial = await server.request({
    path: configMaps,
    headers: { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
  });
  assert.equal(partial.json.kind, 'PartialObjectMetadataList');
  assert.equal(
    partial.json.items.some((item: { data?: unknown }) => item.data !== undefined),
    false,
  );
  const refused = await server.request({ path: configMaps, headers: { accept: 'text/html' } });
  assert.deepEqual([refused.status, refused.json.reason], [406, 'NotAcceptable']);
});

test('a large list comes compressed to those who ask', async () => {
  const path = '/api/v1/namespaces/default/configmaps';
  for (let i = 0; i < 5; i++) await post(configMap(`large-${i}`, { data: { text: 'lorem ipsum '.repeat(4000) } }));
  const zipped = await server.request({ path, headers: { 'accept-encoding': 'gzip' } });
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  const plain = await server.request({ path });
  assert.deepEqual(gunzipSync(zipped.bytes), plain.bytes);
});

test('what is not there is told apart', async () => {
  const page = await server.request({ path: '/nothing/here' });
  assert.deepEqual([page.status, page.bytes.toString()], [404, '404 page not found\n']);
  const resource = await server.request({ path: '/api/v1/namespaces/default/nothings' });
  assert.equal(resource.json.message, 'the server could not find the requested resource');
  const method = await server.request({ method: 'PUT', path: configMaps, body: {} });
  assert.deepEqual([method.status, method.json.reason], [405, 'MethodNotAllowed']);
  const scope = await server.request({ path: '/api/v1/namespaces/default/nodes' });
  assert.equal(scope.status, 404);
});

test('a body that is too large or of no known kind is refused', async () => {
  const large = await post(configMap('large', { data: { a: 'x'.repeat(4 * 1024 * 1024) } }));
  assert.deepEqual([large.status, large.json.reason], [413, 'RequestEntityTooLarge']);
  const type = await server.request({
    method: 'POST',
    path: configMaps,
    headers: { 'content-type': 'text/csv' },
    body: 'a,b',
  });
  assert.deepEqual([type.status, type.json.reason], [415, 'UnsupportedMediaType']);
  const version = await post({ apiVersion: 'v2', kind: 'ConfigMap', metadata: { name: 'a' } });
  assert.equal(version.json.message, 'the API version in the data (v2) does not match the expected API version (v1)');
});

function nameOf(object: { metadata: { name: string } }): string {
  return object.metadata.name;
}
