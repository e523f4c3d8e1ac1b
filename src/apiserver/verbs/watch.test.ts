import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { test } from 'node:test';
import { decodeProtobufObject } from '../../wire/object-protobuf.ts';
import { configMap, configMaps, openTestServer, type TestServer } from '../server-suite.ts';

const create = (server: TestServer, name: string, rest: object = {}) =>
  server.request({ method: 'POST', path: configMaps, body: configMap(name, rest) });
const setLabel = (server: TestServer, name: string, value: string | null) =>
  server.request({
    method: 'PATCH',
    path: `${configMaps}/${name}`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { metadata: { labels: { tier: value } } },
  });
const remove = (server: TestServer, name: string) =>
  server.request({ method: 'DELETE', path: `${configMaps}/${name}` });

/** Type and name of an event. */
// biome-ignore lint/suspicious/noExplicitAny: any kind of event
const brief = (event: any) => [event?.type, event?.object?.metadata?.name];

test('a watch from a revision sees every write after it, in order', async () => {
  await using server = await openTestServer();
  const first = (await create(server, 'a')).json;
  await create(server, 'b');
  using watch = await server.watch(`${configMaps}?watch=1&resourceVersion=${first.metadata.resourceVersion}`);
  await setLabel(server, 'b', 'web');
  await remove(server, 'a');
  const events = [await watch.next(), await watch.next(), await watch.next()];
  assert.deepEqual(events.map(brief), [
    ['ADDED', 'b'],
    ['MODIFIED', 'b'],
    ['DELETED', 'a'],
  ]);
  const revisions = events.map(({ object }) => Number(object.metadata.resourceVersion));
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
  );
  assert.ok(Number(revisions[2]) > Number(first.metadata.resourceVersion), 'a deletion carries its own revision');
});

test('without a revision everything there is comes first; with initial events a bookmark ends them', async () => {
  await using server = await openTestServer();
  await create(server, 'a');
  using plain = await server.watch(`${configMaps}?watch=1`);
  assert.deepEqual(brief(await plain.next()), ['ADDED', 'a']);
  const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  using list = await server.watch(`${configMaps}?${query}`);
  assert.deepEqual(brief(await list.next()), ['ADDED', 'a']);
  const bookmark = await list.next();
  assert.equal(bookmark.type, 'BOOKMARK');
  assert.deepEqual([bookmark.object.kind, bookmark.object.apiVersion], ['ConfigMap', 'v1']);
  assert.deepEqual(bookmark.object.metadata.annotations, { 'k8s.io/initial-events-end': 'true' });
  assert.ok(Number(bookmark.object.metadata.resourceVersion) >= server.store.revision);
  await create(server, 'b');
  assert.deepEqual(brief(await list.next()), ['ADDED', 'b']);
  assert.deepEqual(brief(await plain.next()), ['ADDED', 'b']);
});

test('a selector turns what begins and ceases to match into ADDED and DELETED', async () => {
  await using server = await openTestServer();
  await create(server, 'a');
  using watch = await server.watch(`${configMaps}?watch=1&labelSelector=tier%3Dweb`);
  await setLabel(server, 'a', 'web');
  await server.request({
    method: 'PATCH',
    path: `${configMaps}/a`,
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { data: { k: 'v' } },
  });
  const left = (await setLabel(server, 'a', 'db')).json;
  await setLabel(server, 'a', 'web');
  await remove(server, 'a');
  const events = [await watch.next(), await watch.next(), await watch.next(), await watch.next(), await watch.next()];
  assert.deepEqual(
    events.map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'DELETED', 'ADDED', 'DELETED'],
  );
  assert.equal(events[2].object.metadata.labels.tier, 'web', 'as it was last seen');
  assert.equal(events[2].object.metadata.resourceVersion, left.metadata.resourceVersion);
});

test('one name can be watched, by path and by selector', async () => {
  await using server = await openTestServer();
  using byPath = await server.watch(`${configMaps}/b?watch=1`);
  using bySelector = await server.watch(`${configMaps}?watch=1&fieldSelector=metadata.name%3Db`);
  await create(server, 'a');
  await create(server, 'b');
  assert.deepEqual(brief(await byPath.next()), ['ADDED', 'b']);
  assert.deepEqual(brief(await bySelector.next()), ['ADDED', 'b']);
});

test('a revision that is too old is an ERROR event, and the watch ends', async () => {
  await using server = await openTestServer({ watch: { windowMs: 0, minWindowEvents: 1 } });
  for (const name of ['a', 'b', 'c']) await create(server, name);
  using watch = await server.watch(`${configMaps}?watch=1&resourceVersion=1`);
  const event = await watch.next();
  assert.deepEqual([event.type, event.object.code, event.object.reason], ['ERROR', 410, 'Expired']);
  assert.match(event.object.message, /^too old resource version: 1 \(\d+\)$/);
  assert.equal(await watch.next(), undefined);
});

test('wrong options are refused before the stream begins', async () => {
  await using server = await openTestServer();
  const refused = await server.request({ path: `${configMaps}?watch=1&sendInitialEvents=true` });
  assert.equal(refused.status, 422);
  assert.match(refused.json.message, /sendInitialEvents requires setting resourceVersionMatch to NotOlderThan/);
  const yaml = await server.request({ path: `${configMaps}?watch=1`, headers: { accept: 'application/yaml' } });
  assert.equal(yaml.status, 406);
});

test('a watch ends properly at its time, with a bookmark before', async () => {
  await using server = await openTestServer();
  using watch = await server.watch(`${configMaps}?watch=1&resourceVersion=0&allowWatchBookmarks=1&timeoutSeconds=1`);
  assert.equal((await watch.next()).type, 'BOOKMARK');
  const last = await watch.next();
  assert.ok(last === undefined || last.type === 'BOOKMARK');
});

test('tables name their columns in the first event only', async () => {
  await using server = await openTestServer();
  await create(server, 'a');
  using watch = await server.watch(`${configMaps}?watch=1`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  const first = await watch.next();
  assert.equal(first.object.kind, 'Table');
  assert.equal(first.object.columnDefinitions[0].name, 'Name');
  await create(server, 'b');
  const second = await watch.next();
  assert.equal(second.object.columnDefinitions, null);
  assert.equal(second.object.rows[0].cells[0], 'b');
});

test('a watch that sees nothing at first gets the columns with its first live event', async () => {
  await using server = await openTestServer();
  using watch = await server.watch(`${configMaps}?watch=1`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  await create(server, 'a');
  assert.equal((await watch.next()).object.columnDefinitions[0].name, 'Name');
});

test('protobuf watches are frames around whole objects', async () => {
  await using server = await openTestServer();
  const created = (await create(server, 'a')).json;
  const accept = 'application/vnd.kubernetes.protobuf;stream=watch';
  using watch = await server.watch(`${configMaps}?watch=1`, { accept });
  const [chunk] = (await once(watch.stream, 'data')) as [Buffer];
  const length = chunk.readUInt32BE(0);
  const frame = chunk.subarray(4, 4 + length);
  assert.equal(frame.subarray(2, 7).toString(), 'ADDED');
  const envelope = frame.subarray(frame.indexOf('k8s\0'));
  assert.deepEqual(decodeProtobufObject(envelope).object, created);
});

test('metadata alone can be watched', async () => {
  await using server = await openTestServer();
  await create(server, 'a', { data: { k: 'v' } });
  const accept = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io';
  using watch = await server.watch(`${configMaps}?watch=1`, { accept });
  const { object } = await watch.next();
  assert.deepEqual([object.kind, object.metadata.name, object.data], ['PartialObjectMetadata', 'a', undefined]);
});

test('over HTTP/1.1 a watch is a chunked body, ended by its last chunk when the server stops', async () => {
  const server = await openTestServer();
  const { api, caPem, admin } = server;
  await create(server, 'a');
  const options = { ca: caPem, cert: admin.certificatePem, key: admin.privateKeyPem };
  const request = httpsRequest(`${api.url}${configMaps}?watch=1`, options).end();
  const [response] = await once(request, 'response');
  response.setEncoding('utf8');
  let text = '';
  response.on('data', (data: string) => {
    text += data;
  });
  await once(response, 'data');
  await create(server, 'b');
  await create(server, 'c');
  while (text.split('\n').length < 4) await once(response, 'data');
  const ended = once(response, 'end');
  await server[Symbol.asyncDispose]();
  await ended;
  assert.equal(response.complete, true);
  const names = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).object.metadata.name);
  assert.deepEqual(names, ['a', 'b', 'c']);
});

test('a client that does not read is cut off, and nobody waits for it', async () => {
  await using server = await openTestServer({ watch: { maxWatcherQueueBytes: 200_000 } });
  using slow = await server.watch(`${configMaps}?watch=1`);
  slow.stream.pause();
  using quick = await server.watch(`${configMaps}?watch=1`);
  const closed = once(slow.stream, 'close');
  const text = 'x'.repeat(300_000);
  let seen = 0;
  let cut = false;
  void closed.then(() => {
    cut = true;
  });
  for (let i = 0; i < 60 && !cut; i++) {
    await create(server, `big-${i}`, { data: { text } });
    assert.deepEqual(brief(await quick.next()), ['ADDED', `big-${i}`]);
    seen++;
  }
  slow.stream.resume();
  await closed;
  assert.ok(slow.stream.rstCode !== 0, 'the client sees a failure, not an end');
  assert.ok(seen < 60, 'long before everything was queued');
});
