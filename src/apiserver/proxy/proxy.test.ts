import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openProxyBed } from './proxy-suite.ts';

const pods = '/api/v1/namespaces/default/pods';
const services = '/api/v1/namespaces/default/services';

test('a request to a pod and to a service goes through with its method, path, query and body, and so does the answer', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.createService('web', {
    ports: [{ name: 'http', port: 80, target: 8080 }],
    endpoints: [{ address: '10.244.1.5', pod: 'web' }],
  });
  await bed.serve('10.244.1.5:8080', async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.writeHead(201, { 'x-backend': 'yes', 'content-type': 'text/plain' });
    response.end(`${request.method} ${request.url} ${body}`);
  });
  for (const prefix of [
    `${pods}/web`,
    `${pods}/web:8080`,
    `${pods}/http:web:`,
    `${services}/web:80`,
    `${services}/web:http`,
    `${services}/http:web:80`,
  ]) {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const body = method === 'GET' || method === 'OPTIONS' ? undefined : 'hello';
      const answer = await bed.server.request({ method, path: `${prefix}/proxy/a//b/%C3%A9?x=1&path=2`, body });
      assert.equal(answer.status, 201, `${prefix} ${method} ${answer.bytes}`);
      assert.equal(answer.headers['x-backend'], 'yes');
      assert.equal(answer.bytes.toString(), `${method} /a/b/%C3%A9?x=1&path=2 ${body ?? ''}`);
    }
  }
});
