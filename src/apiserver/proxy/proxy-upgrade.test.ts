import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { openProxyBed, readAll, readUntil } from './proxy-suite.ts';

const pods = '/api/v1/namespaces/default/pods';

function upgradeTo(path: string, more: readonly string[] = []): string {
  const lines = [`GET ${path} HTTP/1.1`, 'host: api.example', 'connection: Upgrade', 'upgrade: echo', ...more];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Answers 101 and gives back what it gets, and says what it was asked. */
function echo(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${request.headers.upgrade}\r\nx-url: ${request.url}\r\n\r\n`,
  );
  socket.write(`${JSON.stringify(request.headers)}\n`);
  socket.write(head);
  socket.on('error', () => {}); // tests cut connections
  socket.pipe(socket);
}

test('an upgrade goes through with its query and then carries bytes both ways until a side ends', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.serve('10.244.1.5:8080', (_request, response) => response.end(), { upgrade: echo });
  const client = await bed.connect();
  client.write(
    `${upgradeTo(`${pods}/web/proxy/ws?a=b&path=c`, ['authorization: Bearer x', 'x-remote-user: admin', 'cookie: c=1'])}early`,
  );
  const head = await readUntil(client, 'early');
  assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(head, /x-url: \/ws\?a=b&path=c\r\n/);
  assert.match(head, /warning: 299 - "pods \\"web\\" was reached by plain HTTP/);
  const seen = JSON.parse(/^\{.*\}$/m.exec(head)?.[0] ?? '');
  assert.deepEqual(seen, {
    host: 'api.example',
    upgrade: 'echo',
    cookie: 'c=1',
    'x-forwarded-for': '127.0.0.1',
    connection: 'Upgrade',
  });
  client.write('late');
  await readUntil(client, 'late');
  client.end();
  assert.equal(await readAll(client), '');
});

test('a WebSocket client talks to a WebSocket server in a pod', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  const { WebSocketServer } = await import('ws');
  const sockets = new WebSocketServer({ noServer: true });
  await bed.serve('10.244.1.5:8080', (_request, response) => response.end(), {
    upgrade: (request, socket, head) =>
      sockets.handleUpgrade(request, socket as import('node:net').Socket, head, (one) => {
        one.on('message', (data) => one.send(`${request.url} ${data}`));
      }),
  });
  const { api, caPem, admin } = bed.server;
  const client = new WebSocket(`wss://${api.host}:${api.port}${pods}/web/proxy/chat?room=1`, {
    ca: caPem,
    cert: admin.certificatePem,
    key: admin.privateKeyPem,
  });
  try {
    const answer = new Promise((resolve, reject) => {
      client.once('message', (data) => resolve(String(data)));
      client.once('error', reject);
    });
    client.once('open', () => client.send('hello'));
    assert.equal(await answer, '/chat?room=1 hello');
  } finally {
    client.terminate();
    sockets.close();
  }
});

test('an upgrade that the backend refuses ends both connections, and what the client sent behind it goes nowhere', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  const requests: string[] = [];
  const closed: Promise<void>[] = [];
  await bed.serve('10.244.1.5:8080', (_request, response) => response.end(), {
    upgrade: (request, socket) => {
      requests.push(String(request.url));
      closed.push(new Promise((resolve) => void socket.once('end', () => resolve())));
      socket.on('error', () => {}); // it is cut
      socket.on('data', (chunk: Buffer) => requests.push(chunk.toString()));
      const status = String(request.url).slice(1);
      socket.write(`HTTP/1.1 ${status} X\r\ncontent-length: 6\r\nlocation: /elsewhere\r\n\r\nno way`);
    },
  });
  const second = `GET ${pods}/web/proxy/second HTTP/1.1\r\nhost: a\r\n\r\n`;
  for (const [status, answered, body] of [
    [403, 403, /no way$/],
    [500, 500, /no way$/],
    [200, 500, /invalid upgrade response: status code 200/],
    [302, 500, /invalid upgrade response: status code 302/],
  ] as const) {
    requests.length = 0;
    const client = await bed.connect();
    client.write(upgradeTo(`${pods}/web/proxy/${status}`) + second);
    const all = await readAll(client);
    assert.match(all, new RegExp(`^HTTP/1\\.1 ${answered} `));
    assert.match(all.trimEnd(), body);
    await Promise.all(closed);
    assert.deepEqual(requests, [`/${status}`]);
  }
});

test('a backend that changes to another protocol than was asked for is cut off', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.serve('10.244.1.5:8080', (_request, response) => response.end(), {
    upgrade: (_request, socket) =>
      void socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: other\r\n\r\n'),
  });
  const client = await bed.connect();
  client.write(upgradeTo(`${pods}/web/proxy/`));
  assert.match(await readAll(client), /^HTTP\/1\.1 500 .*invalid upgrade response/s);
});

test('upgrades that would smuggle requests are refused before anything is dialled', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  const cases: [request: string, answer: RegExp][] = [
    [upgradeTo(`${pods}/web/proxy/`, ['upgrade: h2c', 'http2-settings: AAA']), /^HTTP\/1\.1 400 .*upgrades to HTTP/s],
    [`${upgradeTo(`${pods}/web/proxy/`, ['content-length: 5'])}hello`, /^HTTP\/1\.1 400 /],
    [`${upgradeTo(`${pods}/web/proxy/`, ['transfer-encoding: chunked'])}0\r\n\r\n`, /^HTTP\/1\.1 400 /],
  ];
  for (const [request, answer] of cases) {
    const client = await bed.connect();
    client.write(request);
    assert.match(await readAll(client), answer);
  }
  assert.deepEqual(bed.dialled, []);
});

test('an upgrade whose backend cannot be reached says so as upstream does', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  const client = await bed.connect();
  client.write(upgradeTo(`${pods}/web/proxy/`));
  const all = await readAll(client);
  assert.match(all, /^HTTP\/1\.1 500 /);
  const status = JSON.parse(all.slice(all.indexOf('{')));
  assert.deepEqual(
    [status.code, status.reason, status.message],
    [500, undefined, 'error dialing backend: dial tcp 10.244.1.5:8080: connect ECONNREFUSED'],
  );
});

test('a protocol that nobody asked to change to ends the request', async () => {
  await using bed = await openProxyBed();
  await bed.createPod('web', '10.244.1.5');
  await bed.serve('10.244.1.5:8080', (request) => {
    request.socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n');
  });
  const answer = await bed.server.request({ path: `${pods}/web/proxy/` });
  assert.equal(answer.status, 503);
});
