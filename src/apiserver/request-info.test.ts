import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodePath, parseRequestInfo } from './request-info.ts';

const parse = (method: string, url: string) => {
  const [path = '', query = ''] = url.split('?');
  return parseRequestInfo(method, decodePath(path), new URLSearchParams(query));
};

test('a URL and a method say verb, resource, namespace and name', () => {
  const cases: [string, string, string, string, string, string, string][] = [
    ['GET', '/api/v1/pods', 'list', 'pods', '', '', ''],
    ['GET', '/api/v1/pods?watch=1', 'watch', 'pods', '', '', ''],
    ['GET', '/api/v1/pods?watch=false', 'list', 'pods', '', '', ''],
    ['GET', '/api/v1/namespaces/d/pods/web', 'get', 'pods', 'd', 'web', ''],
    ['HEAD', '/api/v1/namespaces/d/pods/web', 'get', 'pods', 'd', 'web', ''],
    ['GET', '/api/v1/namespaces/d/pods/web?watch=true', 'watch', 'pods', 'd', 'web', ''],
    ['POST', '/api/v1/namespaces/d/pods/web/exec', 'create', 'pods', 'd', 'web', 'exec'],
    ['PUT', '/api/v1/namespaces/d/pods/web/status', 'update', 'pods', 'd', 'web', 'status'],
    ['DELETE', '/api/v1/namespaces/d/pods', 'deletecollection', 'pods', 'd', '', ''],
    ['PATCH', '/api/v1/namespaces/d', 'patch', 'namespaces', 'd', 'd', ''],
    ['PUT', '/api/v1/namespaces/d/finalize', 'update', 'namespaces', 'd', 'd', 'finalize'],
    ['GET', '/api/v1/namespaces', 'list', 'namespaces', '', '', ''],
    ['GET', '/api/v1/watch/namespaces/d/pods', 'watch', 'pods', 'd', '', ''],
    ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dweb,status.phase%3DRunning', 'list', 'pods', '', 'web', ''],
  ];
  for (const [method, url, verb, resource, namespace, name, subresource] of cases) {
    const info = parse(method, url);
    const found = [info.verb, info.resource, info.namespace, info.name, info.subresource];
    assert.deepEqual(found, [verb, resource, namespace, name, subresource], `${method} ${url}`);
    assert.ok(info.isResourceRequest);
  }
});

test('segments behind a subresource are kept apart', () => {
  const info = parse('GET', '/api/v1/namespaces/d/services/https:web:443/proxy/a/b');
  assert.deepEqual([info.name, info.subresource, info.rest], ['https:web:443', 'proxy', ['a', 'b']]);
});

test('paths that name no resource keep their method as the verb', () => {
  for (const path of [
    '/',
    '/api',
    '/api/v1',
    '/apis/apps',
    '/apis/apps/v1',
    '/healthz',
    '/api/v1//pods',
    '/apis//v1/pods',
  ]) {
    const info = parse('GET', path);
    assert.deepEqual([info.isResourceRequest, info.verb, info.path], [false, 'get', path]);
  }
});

test('a path that could mean two things is refused', () => {
  for (const path of [
    '/api/v1/namespaces/a/../b/pods',
    '/api/v1/./pods',
    '/api/v1/namespaces/a%2Fb/pods',
    '/api/v1/namespaces/%2e%2e/pods',
    '/api/v1/pods/%zz',
    '/api/v1/pods/a%5cb',
    'api/v1',
  ]) {
    assert.throws(() => decodePath(path), { name: 'ApiError', reason: 'BadRequest' }, path);
  }
  assert.equal(decodePath('/api/v1/namespaces/d/services/web%3A80'), '/api/v1/namespaces/d/services/web:80');
});

test('a name selector that is no name names nothing', () => {
  for (const selector of ['metadata.name!=a', 'metadata.name=a/b', 'metadata.name=..', 'metadata.name=']) {
    assert.equal(parse('GET', `/api/v1/pods?fieldSelector=${encodeURIComponent(selector)}`).name, '', selector);
  }
});
