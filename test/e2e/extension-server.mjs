/*
 * A webhook and an extension API server in one, as a pod runs it: `node extension-server.mjs`, with the certificate in CERT and KEY, listening on POD_IP.
 * What it is asked as a webhook it answers by the path. As an API server it has `berries` in the group `fruit.example`, believes nobody who does not come
 * with a certificate of REQUESTHEADER_CA, and tells in each berry who asked.
 */
import { createServer } from 'node:https';

const { CERT = '', KEY = '', POD_IP = '', PORT = '8443', REQUESTHEADER_CA = '' } = process.env;

function review({ uid, operation, object, userInfo, namespace }, path) {
  const patch = (operations) => ({
    uid,
    allowed: true,
    patchType: 'JSONPatch',
    patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  });
  const labels = object?.metadata?.labels ?? {};
  switch (path) {
    case '/deny':
      return {
        uid,
        allowed: false,
        status: { code: 403, message: `${userInfo.username} may not ${operation} in ${namespace}` },
      };
    case '/label':
      return patch([{ op: 'add', path: '/metadata/labels', value: { ...labels, hooked: 'yes' } }]);
    case '/warn':
      return { uid, allowed: true, warnings: ['be careful'], auditAnnotations: { seen: 'yes' } };
    default:
      return { uid, allowed: true };
  }
}

const apiVersion = 'fruit.example/v1';

function berry(name, headers) {
  const asked = Object.fromEntries(
    ['x-remote-user', 'x-remote-group', 'authorization', 'impersonate-user'].map((key) => [key, headers[key] ?? null]),
  );
  return { apiVersion, kind: 'Berry', metadata: { name, resourceVersion: '1' }, spec: asked };
}

function serveApi(request, { pathname, json, response }) {
  const { headers, url } = request;
  const root = '/apis/fruit.example/v1';
  if (pathname === root) {
    const verbs = ['get', 'list', 'watch', 'create'];
    const resources = [
      { name: 'berries', singularName: 'berry', namespaced: false, kind: 'Berry', verbs, shortNames: ['br'] },
    ];
    return json(200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersion, resources });
  }
  if (pathname === '/openapi/v3') {
    return json(200, {
      paths: { 'apis/fruit.example/v1': { serverRelativeURL: '/openapi/v3/apis/fruit.example/v1?hash=BERRY' } },
    });
  }
  const gvk = [{ group: 'fruit.example', version: 'v1', kind: 'Berry' }];
  const schema = {
    type: 'object',
    description: 'A berry is a fruit.',
    'x-kubernetes-group-version-kind': gvk,
    properties: { spec: { type: 'object', description: 'Who asked.' } },
  };
  if (pathname === '/openapi/v3/apis/fruit.example/v1') {
    const get = {
      responses: { 200: { description: 'OK' } },
      'x-kubernetes-action': 'list',
      'x-kubernetes-group-version-kind': gvk[0],
    };
    return json(200, {
      openapi: '3.0.0',
      info: { title: 'fruit', version: '1' },
      paths: { [`${root}/berries`]: { get } },
      components: { schemas: { 'example.fruit.v1.Berry': schema } },
    });
  }
  if (pathname === '/openapi/v2') {
    const get = { responses: { 200: { description: 'OK', schema: { $ref: '#/definitions/example.fruit.v1.Berry' } } } };
    return json(200, {
      swagger: '2.0',
      info: { title: 'fruit', version: '1' },
      paths: { [`${root}/berries`]: { get } },
      definitions: { 'example.fruit.v1.Berry': schema },
    });
  }
  if (pathname === `${root}/moved`) {
    response.writeHead(302, { location: 'https://127.0.0.1:1/' });
    return response.end();
  }
  if (pathname === `${root}/berries` && new URL(url, 'https://x').searchParams.has('watch')) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(`${JSON.stringify({ type: 'ADDED', object: berry('first', headers) })}\n`);
    const timer = setInterval(
      () => response.write(`${JSON.stringify({ type: 'MODIFIED', object: berry('first', headers) })}\n`),
      200,
    );
    return response.on('close', () => clearInterval(timer));
  }
  if (pathname === `${root}/berries`) {
    const items = [berry('blue', headers), berry('rasp', headers)];
    return json(200, { kind: 'BerryList', apiVersion, metadata: { resourceVersion: '1' }, items });
  }
  if (pathname.startsWith(`${root}/berries/`)) return json(200, berry(pathname.split('/').at(-1), headers));
  json(404, {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code: 404,
    reason: 'NotFound',
    message: 'not here',
  });
}

const tls = {
  cert: CERT,
  key: KEY,
  ca: REQUESTHEADER_CA,
  requestCert: REQUESTHEADER_CA !== '',
  rejectUnauthorized: false,
};
const server = createServer(tls, async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { pathname } = new URL(request.url, 'https://extension');
  const json = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  if (request.method === 'POST' && !pathname.startsWith('/apis')) {
    if (pathname === '/redirect') {
      response.writeHead(307, { location: 'https://127.0.0.1:1/' });
      return response.end();
    }
    const { apiVersion, kind, request: asked } = JSON.parse(Buffer.concat(chunks).toString());
    return json(200, { apiVersion, kind, response: review(asked, pathname) });
  }
  if (!request.socket.authorized) {
    return json(401, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 401, message: 'no front proxy' });
  }
  serveApi(request, { pathname, json, response, body: Buffer.concat(chunks).toString() });
});
server.on('upgrade', (request, socket) => {
  if (!request.socket.authorized || request.headers.upgrade !== 'echo')
    return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  socket.write(`${request.headers['x-remote-user']}\n`);
  socket.pipe(socket);
});
server.listen(Number(PORT), POD_IP, () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
