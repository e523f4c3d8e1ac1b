import assert from 'node:assert/strict';
import test from 'node:test';
import { configMap, configMaps, openTestServer } from '../server-suite.ts';

test('server-side apply is refused with a message that says what to do instead', async () => {
  await using server = await openTestServer();
  const answer = await server.request({
    method: 'PATCH',
    path: `${configMaps}/settings?fieldManager=kubectl&force=false`,
    headers: { 'content-type': 'application/apply-patch+yaml' },
    body: configMap('settings'),
  });
  assert.deepEqual([answer.status, answer.json.reason], [415, 'UnsupportedMediaType']);
  assert.match(answer.json.message, /server-side apply is not supported by this server yet: use apply without/);
});

test('a patch of a type that does not exist is refused with those that do', async () => {
  await using server = await openTestServer();
  const headers = { 'content-type': 'application/json' };
  const answer = await server.request({ method: 'PATCH', path: `${configMaps}/settings`, headers, body: {} });
  assert.equal(answer.status, 415);
  assert.match(answer.json.message, /accepted media types include: application\/json-patch\+json, /);
});
