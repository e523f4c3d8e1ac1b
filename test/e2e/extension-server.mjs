/*
 * A webhook and an extension API server in one, as a pod runs it: `node extension-server.mjs`, with the certificate in CERT and KEY, listening on POD_IP.
 * What it is asked as a webhook it answers by the path.
 */
import { createServer } from 'node:https';

const { CERT = '', KEY = '', POD_IP = '', PORT = '8443' } = process.env;

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

const server = createServer({ cert: CERT, key: KEY }, async (request, response) => {
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
  json(404, {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code: 404,
    reason: 'NotFound',
    message: 'not here',
  });
});
server.listen(Number(PORT), POD_IP, () => console.log('listening'));
process.on('SIGTERM', () => process.exit(0));
