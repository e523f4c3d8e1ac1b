import assert from 'node:assert/strict';
import { on, once } from 'node:events';
import { connect as http2Connect } from 'node:http2';
import { test } from 'node:test';
import {
  brotliCompressSync,
  brotliDecompressSync,
  deflateRawSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
} from 'node:zlib';
import { openProxyBed, readAll, readUntil } from './proxy-suite.ts';

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

test('a path that ends with /proxy is redirected to the slash behind it, with its query, for what can be repeated', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.serve('10.244.1.5:8080', (request, response) => response.end(request.url));
  const path = `${pods}/web/proxy?a=b`;
  const moved = await bed.server.request({ path });
  assert.deepEqual([moved.status, moved.headers['location'], moved.bytes.length], [301, `${pods}/web/proxy/?a=b`, 0]);
  assert.equal((await bed.server.request({ method: 'POST', path, body: 'x' })).bytes.toString(), '/?a=b');
});

test('what cannot be passed on is refused in the words of upstream', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.createPod('outside', '10.244.9.5');
  await bed.createPod('metadata', '169.254.169.254');
  await bed.createService('web', { ports: [{ name: 'http', port: 80, target: 8080 }], endpoints: [] });
  await bed.createService('manual', {
    ports: [{ port: 80, target: 8080 }],
    endpoints: [{ address: '10.244.1.5' }],
  });
  const cases: [path: string, status: number, reason: string, message: string][] = [
    [`${pods}/ftp:web:21/proxy/`, 400, 'BadRequest', 'invalid pod request "ftp:web:21"'],
    [`${services}/a:b:c:d/proxy/`, 400, 'BadRequest', 'invalid service request "a:b:c:d"'],
    ['/api/v1/nodes/x:n1:80/proxy/', 400, 'BadRequest', 'invalid node request "x:n1:80"'],
    [`${pods}/web/proxy/?dryRun=All`, 400, 'BadRequest', 'dryRun is not supported'],
    [`${pods}/none/proxy/`, 404, 'NotFound', 'pods "none" not found'],
    [`${services}/none/proxy/`, 404, 'NotFound', 'services "none" not found'],
    ['/api/v1/nodes/none/proxy/', 404, 'NotFound', 'nodes "none" not found'],
    [`${pods}/outside/proxy/`, 400, 'BadRequest', 'address not allowed'],
    [`${pods}/metadata/proxy/`, 400, 'BadRequest', 'address not allowed'],
    [`${services}/web:http/proxy/`, 503, 'ServiceUnavailable', 'no endpoints available for service "web:http"'],
    [`${services}/web:99/proxy/`, 503, 'ServiceUnavailable', 'no service port 99 found for service "web"'],
    [`${services}/manual:80/proxy/`, 503, 'ServiceUnavailable', 'no endpoints available for service "manual:80"'],
    [
      `${pods}/web:9/proxy/`,
      503,
      'ServiceUnavailable',
      'error trying to reach service: dial tcp 10.244.1.5:9: connect ECONNREFUSED',
    ],
  ];
  for (const [path, status, reason, message] of cases) {
    const answer = await bed.server.request({ path });
    assert.deepEqual([answer.status, answer.json.reason, answer.json.message], [status, reason, message], path);
  }
  const old = await bed.server.request({ path: '/api/v1/proxy/nodes/n1/proxy/metrics' });
  assert.equal(old.status, 404);
  assert.equal((await bed.server.request({ method: 'TRACE', path: `${pods}/web/proxy/` })).status, 405);
});

test("the backend's own refusals, empty answers and headers come through as they are", async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.serve('10.244.1.5:8080', (request, response) => {
    const status = Number(request.url?.slice(1));
    response.writeHead(status, {
      'content-type': 'application/json',
      'set-cookie': ['a=1', 'b=2'],
      'access-control-allow-origin': '*',
      'audit-id': 'forged',
      warning: '299 - "old"',
      ...(request.method === 'HEAD' && { 'content-length': 1234 }),
    });
    response.end(status === 204 || status === 304 ? undefined : '{"error":1}');
  });
  for (const status of [200, 204, 304, 401, 404, 500, 503]) {
    const answer = await bed.server.request({ path: `${pods}/web/proxy/${status}` });
    const { headers, bytes } = answer;
    assert.equal(answer.status, status);
    assert.equal(bytes.toString(), status === 204 || status === 304 ? '' : '{"error":1}');
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.notEqual(headers['audit-id'], 'forged');
    assert.match(String(headers['warning']), /299 - "pods \\"web\\" was reached by plain HTTP.*299 - "old"/);
  }
  const head = await bed.server.request({ method: 'HEAD', path: `${pods}/web/proxy/200` });
  assert.deepEqual([head.status, head.headers['content-length'], head.bytes.length], [200, '1234', 0]);
});

test('redirects are handed to the client, rewritten where they lead back, and never followed', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.serve('10.244.1.5:8080', (request, response) => {
    const to = new URL(request.url ?? '', 'http://x').searchParams.get('to') ?? '';
    response.writeHead(302, { location: to, 'content-type': 'text/html' }).end('<a href="/x">');
  });
  const prefix = `${pods}/web/proxy`;
  for (const [to, location] of [
    ['/a', `${prefix}/a`],
    ['http://10.244.1.5:8080/a?b', `${prefix}/a?b`],
    ['http://169.254.169.254/latest', 'http://169.254.169.254/latest'],
    ['relative', 'relative'],
  ] as const) {
    const answer = await bed.server.request({ path: `${prefix}/?to=${encodeURIComponent(to)}` });
    assert.deepEqual(
      [answer.status, answer.headers['location'], answer.bytes.toString()],
      [302, location, '<a href="/x">'],
    );
  }
  const bad = await bed.server.request({ path: `${prefix}/?to=${encodeURIComponent('/a%zz')}` });
  assert.deepEqual([bad.status, bad.json.reason], [500, 'InternalError']);
  assert.deepEqual(new Set(bed.dialled), new Set(['10.244.1.5:8080 n1']));
});

test('links of HTML pages lead through the proxy, compressed or not', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  const codings: Record<string, (page: string) => Buffer> = {
    '': (page) => Buffer.from(page),
    gzip: (page) => gzipSync(page),
    deflate: (page) => deflateRawSync(page),
    br: (page) => brotliCompressSync(page),
  };
  await bed.serve('10.244.1.5:8080', (request, response) => {
    const coding = request.url?.slice(1) ?? '';
    const body = codings[coding]?.('<a href="/x">é</a>') ?? Buffer.alloc(0);
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-length': body.length,
      ...(coding && { 'content-encoding': coding }),
    });
    response.end(body);
  });
  const prefix = `${pods}/web/proxy`;
  const rewritten = `<a href="${prefix}/x">é</a>`;
  const plain = await bed.server.request({ path: `${prefix}/` });
  assert.equal(plain.bytes.toString(), rewritten);
  assert.equal(plain.headers['content-length'], undefined);
  const gzip = await bed.server.request({ path: `${prefix}/gzip` });
  assert.equal(gunzipSync(gzip.bytes).toString(), rewritten);
  const deflate = await bed.server.request({ path: `${prefix}/deflate` });
  assert.equal(inflateRawSync(deflate.bytes).toString(), rewritten);
  const other = await bed.server.request({ path: `${prefix}/br` });
  assert.equal(brotliDecompressSync(other.bytes).toString(), '<a href="/x">é</a>');
});

test('connections to a backend are used again, but not one that the backend has closed', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  let closing = false;
  const backend = await bed.serve('10.244.1.5:8080', (request, response) => {
    if (closing) return void request.socket.destroy();
    response.end('ok');
  });
  const path = `${pods}/web/proxy/`;
  for (let index = 0; index < 5; index++) assert.equal((await bed.server.request({ path })).status, 200);
  assert.equal(backend.connections(), 1);
  // The next request meets a connection that ends without an answer: it is asked again on a new one, which answers.
  backend.server.removeAllListeners('request');
  let first = true;
  backend.server.on('request', (request, response) => {
    if (first) request.socket.destroy();
    else response.end('again');
    first = false;
  });
  assert.equal((await bed.server.request({ path })).bytes.toString(), 'again');
  assert.equal(backend.connections(), 2);
  closing = true;
});

test('a body that may have arrived is not sent twice', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  let posts = 0;
  await bed.serve('10.244.1.5:8080', (request, response) => {
    if (request.method === 'GET') return void response.end('ok');
    posts++;
    request.socket.destroy();
  });
  const path = `${pods}/web/proxy/`;
  await bed.server.request({ path });
  const lost = await bed.server.request({ method: 'POST', path, body: 'pay' });
  assert.deepEqual([lost.status, lost.json.reason, posts], [503, 'ServiceUnavailable', 1]);
});

test('bodies flow both ways as they come, and a slow reader slows the backend down', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  let sent = 0;
  const paused = Promise.withResolvers<void>();
  await bed.serve('10.244.1.5:8080', (request, response) => {
    if (request.method === 'POST') return void request.pipe(response);
    const chunk = Buffer.alloc(64 * 1024);
    const write = () => {
      while (sent < 512 * 1024 * 1024) {
        sent += chunk.length;
        if (!response.write(chunk)) {
          paused.resolve();
          return void response.once('drain', write);
        }
      }
      response.end();
    };
    write();
  });
  const { api, caPem, admin } = bed.server;
  const session = http2Connect(api.url, { ca: caPem, cert: admin.certificatePem, key: admin.privateKeyPem });
  try {
    const echo = session.request({ ':method': 'POST', ':path': `${pods}/web/proxy/` }, { endStream: false });
    const chunks = on(echo, 'data');
    for (const word of ['one', 'two', 'three']) {
      echo.write(word); // the next is sent only when this one has come back
      const { value = [] } = await chunks.next();
      assert.equal(String(value[0]), word);
    }
    echo.end();
    await once(echo, 'end');
    const slow = session.request({ ':path': `${pods}/web/proxy/` });
    await once(slow, 'response');
    await paused.promise;
    assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes were taken although nobody reads`);
    slow.close();
  } finally {
    session.destroy();
  }
});

test('a client that goes away ends the request at the backend; a backend that breaks off breaks the answer off', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  const gone = Promise.withResolvers<void>();
  await bed.serve('10.244.1.5:8080', (request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('part');
    if (request.url === '/break') setImmediate(() => request.socket.destroy());
    else response.once('close', () => gone.resolve());
  });
  const client = await bed.connect();
  client.write(`GET ${pods}/web/proxy/wait HTTP/1.1\r\nhost: a\r\n\r\n`);
  await readUntil(client, 'part');
  client.destroy();
  await gone.promise;
  const other = await bed.connect();
  other.write(`GET ${pods}/web/proxy/break HTTP/1.1\r\nhost: a\r\n\r\n`);
  const all = await readAll(other);
  assert.match(all, /^HTTP\/1.1 200 /);
  assert.match(all, /part$/);
});

test("another port of a node is reached like a pod's; its kubelet's port is the kubelet's whatever scheme is asked for", async () => {
  await using bed = await openProxyBed({ kubelet: { certificateAuthorityPem: undefined } });
  const { admin } = bed.server; // any certificate: this server does not verify kubelets
  await bed.serve('10.0.0.11:9100', (request, response) => response.end(`exporter ${request.url}`));
  await bed.serve('10.0.0.11:10250', (request, response) => response.end(`kubelet ${request.url}`), { tls: admin });
  const ask = async (id: string) => {
    const { bytes, headers } = await bed.server.request({ path: `/api/v1/nodes/${id}/proxy/metrics?a=b` });
    return [bytes.toString(), String(headers['warning'])] as const;
  };
  for (const id of ['n1:9100', 'http:n1:9100']) {
    const [body, warning] = await ask(id);
    assert.equal(body, 'exporter /metrics?a=b');
    assert.match(warning, /nodes \\".*n1:9100\\" was reached by plain HTTP/);
  }
  for (const id of ['n1', 'n1:', 'n1:10250', 'http:n1:10250', 'https:n1:']) {
    const [body, warning] = await ask(id);
    assert.equal(body, 'kubelet /metrics?a=b');
    assert.match(warning, /was reached by TLS without verification/);
  }
});

test('a strict server sends nothing to a kubelet that it does not verify', async () => {
  await using bed = await openProxyBed({ kubelet: { certificateAuthorityPem: undefined }, proxy: { strict: true } });
  const answer = await bed.server.request({ path: '/api/v1/nodes/n1/proxy/metrics' });
  assert.deepEqual([answer.status, answer.json.reason], [403, 'Forbidden']);
  assert.deepEqual(bed.dialled, []);
});

test('one HTTP/1.1 connection carries one proxied request after the other, bodies included', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.serve('10.244.1.5:8080', async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.end(`[${request.method} ${body}]`);
  });
  const client = await bed.connect();
  const head = (method: string) => `${method} ${pods}/web/proxy/ HTTP/1.1\r\nhost: a\r\n`;
  client.write(`${head('POST')}content-length: 5\r\n\r\nhello`);
  await readUntil(client, '[POST hello]');
  client.write(`${head('PUT')}transfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n${head('GET')}\r\n`);
  assert.match(await readUntil(client, '[GET ]'), /\[PUT onetwo\]/);
});
