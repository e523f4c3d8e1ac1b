import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRequestInfo } from '../request-info.ts';
import { podOptionsOf, podRequestOf } from './kubelet-endpoints.ts';
import { forwardedHeaders, returnedHeaders, warningTexts, withoutCredentials } from './proxy-headers.ts';
import { parseProxyId } from './proxy-id.ts';
import { splitProxyPath } from './proxy-path.ts';

test('an id is a name, a name with a port, or both with a scheme', () => {
  const cases: [id: string, scheme: string, name: string, port: string][] = [
    ['web', '', 'web', ''],
    ['web:80', '', 'web', '80'],
    ['web:', '', 'web', ''],
    ['http:web:http', 'http', 'web', 'http'],
    ['https:web:', 'https', 'web', ''],
    [':web:80', '', 'web', '80'],
  ];
  for (const [id, scheme, name, port] of cases) assert.deepEqual(parseProxyId(id, 'pod'), { scheme, name, port });
  for (const id of ['', ':', ':80', 'https::443', 'ftp:web:21', 'HTTP:web:80', 'http:web:80:90']) {
    assert.throws(() => parseProxyId(id, 'service'), {
      reason: 'BadRequest',
      message: `invalid service request ${JSON.stringify(id)}`,
    });
  }
});

test('what is behind /proxy is passed on as it came, with runs of slashes as one', () => {
  const pod = '/api/v1/namespaces/ns/pods/web:80/proxy';
  const cases: [url: string, namespace: string, path: string, search: string][] = [
    [pod, 'ns', '', ''],
    [`${pod}?a=b`, 'ns', '', '?a=b'],
    [`${pod}/`, 'ns', '/', ''],
    [`${pod}//`, 'ns', '/', ''],
    [`${pod}/a//b/?c=/d//e`, 'ns', '/a/b/', '?c=/d//e'],
    [`${pod}/%C3%A9+%20:@!`, 'ns', '/%C3%A9+%20:@!', ''],
    [`${pod}/a#b`, 'ns', '/a%23b', ''],
    ['/api/v1/nodes/n1/proxy/x', '', '/x', ''],
  ];
  for (const [url, namespace, path, search] of cases) {
    const split = splitProxyPath(url, { namespace });
    assert.deepEqual({ path: split.path, search: split.search }, { path, search }, url);
    assert.equal(split.prefix, namespace === '' ? '/api/v1/nodes/n1/proxy' : pod);
  }
});

test('whose credentials they are ends here: a backend sees none of them, and none of the hop', () => {
  const forwarded = forwardedHeaders(
    {
      ':authority': 'api.example',
      ':method': 'GET',
      authorization: 'Bearer secret',
      'proxy-authorization': 'Basic secret',
      'x-remote-user': 'admin',
      'x-remote-extra-scopes': ['a', 'b'],
      x_remote_user: 'admin',
      'impersonate-user': 'admin',
      'impersonate-extra-x': 'y',
      'x-proxied-for': 'admin',
      cookie: 'a=b',
      connection: 'keep-alive, X-Hop',
      'x-hop': '1',
      'keep-alive': 'timeout=5',
      te: 'trailers',
      trailer: 'x',
      upgrade: 'h2c',
      'http2-settings': 'AAA',
      expect: '100-continue',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-uri': '/somewhere',
      accept: 'text/html',
    },
    { clientAddress: '192.0.2.2', isIdentity: (name) => name === 'x-proxied-for', forwardedUri: '/p/proxy/a' },
  );
  assert.deepEqual(forwarded, {
    cookie: 'a=b',
    accept: 'text/html',
    host: 'api.example',
    'x-forwarded-for': '192.0.2.1, 192.0.2.2',
    'x-forwarded-uri': '/p/proxy/a',
  });
});

test('a bearer token that came as a WebSocket protocol is not offered to the backend', () => {
  const options = { clientAddress: undefined, isIdentity: () => false };
  const token = 'base64url.bearer.authorization.k8s.io.c2VjcmV0';
  const with2 = withoutCredentials({ 'sec-websocket-protocol': `${token}, chat` }, options);
  assert.deepEqual({ ...with2 }, { 'sec-websocket-protocol': 'chat' });
  assert.deepEqual({ ...withoutCredentials({ 'sec-websocket-protocol': token }, options) }, {});
});

test("an answer's own words are kept, without those of the hop and those that are the API server's", () => {
  const returned = returnedHeaders({
    'content-type': 'text/plain',
    'set-cookie': ['a=b', 'c=d'],
    connection: 'close, x-hop',
    'x-hop': '1',
    'transfer-encoding': 'chunked',
    'access-control-allow-origin': '*',
    'access-control-expose-headers': 'x',
    'audit-id': 'forged',
    warning: '299 - "x"',
  });
  assert.deepEqual(returned, {
    'content-type': 'text/plain',
    'set-cookie': ['a=b', 'c=d'],
    'access-control-expose-headers': 'x',
  });
  assert.deepEqual(warningTexts('299 - "one \\"two\\"", 199 host "three"'), ['one "two"', 'three']);
});

test('a path of a kubelet that leads into a pod is a request for the subresource of that pod', () => {
  const cases: [path: string, expected: string | undefined][] = [
    ['/exec/ns/web/c', 'create pods/exec ns/web'],
    ['/EXEC/ns/web/c', 'create pods/exec ns/web'],
    ['//exec//ns//web/c', 'create pods/exec ns/web'],
    ['/run/ns/web/c', 'create pods/exec ns/web'],
    ['/attach/ns/web/uid/c', 'create pods/attach ns/web'],
    ['/portForward/ns/web', 'create pods/portforward ns/web'],
    ['/containerLogs/ns/web/c', 'get pods/log ns/web'],
    ['/metrics', undefined],
    ['/logs/exec/ns/web', undefined],
    ['/exec', undefined],
    ['/pods', undefined],
  ];
  for (const [path, expected] of cases) {
    const info = podRequestOf(parseRequestInfo('GET', `/api/v1/nodes/n1/proxy${path}`, new URLSearchParams()));
    const described = info && `${info.verb} ${info.resource}/${info.subresource} ${info.namespace}/${info.name}`;
    assert.equal(described, expected, path);
  }
});

test('the options of such a path are shown to admission as the API spells them', () => {
  const cases: [path: string, query: string, options: string][] = [
    [
      '/exec/ns/web/c',
      'command=ls&command=-l&input=1&output=1&error=0&tty=1',
      'stdin=true&stdout=true&tty=true&container=c&command=ls&command=-l',
    ],
    ['/attach/ns/web/uid/c', 'output=1', 'stdout=true&container=c'],
    ['/run/ns/web/c', 'cmd=ls+-l', 'container=c&command=ls&command=-l'],
    ['/portForward/ns/web', 'port=80,81', 'ports=80%2C81'],
  ];
  for (const [path, query, options] of cases) {
    const search = new URLSearchParams(query);
    const info = parseRequestInfo('GET', `/api/v1/nodes/n1/proxy${path}`, search);
    assert.equal(podOptionsOf(info, search).toString(), options, path);
  }
});
