import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { openClusterPki } from '../pki/authority.ts';
import { httpConnectDialer } from './http-connect-dialer.ts';
import { loadEgressSelector } from './load-egress-selector.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-egress-'));
});
after(() => rm(directory, { recursive: true }));

const { signal } = new AbortController();
const target = { host: '10.0.0.7', port: 443 };
let sockets = 0;

/** A proxy on a Unix socket that gives each request's first line to `answer`. */
async function listenProxy(answer: (socket: Socket, request: string) => void) {
  const path = join(directory, `${++sockets}.sock`);
  const server = createServer({ allowHalfOpen: true }, (socket) => serveProxy(socket, answer));
  server.listen(path);
  await once(server, 'listening');
  const dialer = httpConnectDialer({ name: `unix:${path}`, transport: 'uds', address: () => ({ path }) });
  return { dialer, [Symbol.asyncDispose]: () => close(server) };
}

function serveProxy(socket: Socket, answer: (socket: Socket, request: string) => void): void {
  socket.on('error', () => {}); // a client that goes away
  let text = '';
  const leave = () => socket.end();
  socket.once('end', leave);
  socket.on('data', function read(chunk: Buffer) {
    text += chunk.toString();
    if (!text.includes('\r\n\r\n')) return;
    socket.off('data', read);
    socket.off('end', leave);
    answer(socket, text);
  });
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

async function readText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

test('the request is upstream’s; bytes that come together with the answer and after our end arrive', async () => {
  let request = '';
  await using proxy = await listenProxy((socket, text) => {
    request = text;
    socket.write('HTTP/1.1 200 Connection established\r\nx: y\r\n\r\nfirst ');
    socket.once('end', () => socket.end('and last'));
  });
  const stream = await proxy.dialer.dial(target, { signal });
  stream.end('ours');
  assert.equal(await readText(stream), 'first and last');
  assert.equal(request, 'CONNECT 10.0.0.7:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
});

test('an answer that comes byte by byte is read', async () => {
  await using proxy = await listenProxy(async (socket) => {
    for (const byte of 'HTTP/1.1 200 OK\r\n\r\nx') {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    socket.end();
  });
  const stream = await proxy.dialer.dial({ host: 'fd00::1', port: 80 }, { signal });
  stream.end();
  assert.equal(await readText(stream), 'x');
});

const refusals: readonly (readonly [answer: string, message: RegExp])[] = [
  [
    'HTTP/1.1 502 Bad Gateway\r\n\r\ndial tcp: no such host\n',
    /while dialing 10\.0\.0\.7:443, code 502: 502 Bad Gateway: dial tcp: no such host$/,
  ],
  ['HTTP/1.1 201 Created\r\n\r\n', /code 201: 201 Created$/],
  ['SSH-2.0-x\r\n\r\n', /malformed HTTP response "SSH-2\.0-x"$/],
  ['HTTP/1.1 200', /unexpected EOF$/],
  [`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(1024 * 1024)}`, /a header of more than 1048576 bytes$/],
];
for (const [answer, message] of refusals) {
  test(`an answer that opens no tunnel: ${JSON.stringify(answer.slice(0, 40))}`, async () => {
    await using proxy = await listenProxy((socket) => socket.end(answer));
    await assert.rejects(proxy.dialer.dial(target, { signal }), (error: Error & { stage?: string }) => {
      assert.equal(error.stage, 'proxy');
      assert.match(error.message, message);
      return true;
    });
  });
}

test('a dial that is given up leaves no connection behind', async () => {
  const given = new AbortController();
  const gone = Promise.withResolvers<void>();
  await using proxy = await listenProxy((socket) => {
    socket.once('close', () => gone.resolve());
    socket.resume();
    socket.once('end', () => socket.end());
    given.abort(new Error('given up'));
  });
  await assert.rejects(proxy.dialer.dial(target, { signal: given.signal }), /given up/);
  await gone.promise;
});

test('a proxy that is not there fails on the way to it', async () => {
  const path = join(directory, 'nothing.sock');
  const dialer = httpConnectDialer({ name: 'nothing', transport: 'uds', address: () => ({ path }) });
  await assert.rejects(dialer.dial(target, { signal }), (error: Error & { stage?: string }) => {
    assert.equal(error.stage, 'connect');
    assert.match(error.message, /^cannot connect to the proxy server at unix:.*ENOENT/);
    return true;
  });
});

test('over TCP both ends prove who they are, and renewed certificates are used without a restart', async () => {
  const { cluster } = await openClusterPki();
  const { cluster: stranger } = await openClusterPki();
  const serving = await cluster.issue({ commonName: 'proxy', dnsNames: ['konnectivity.example'], usages: ['server'] });
  const callers: (string | undefined)[] = [];
  const server = createTlsServer(
    {
      cert: serving.certificatePem,
      key: serving.privateKeyPem,
      ca: cluster.certificatePem,
      requestCert: true,
      rejectUnauthorized: true,
      allowHalfOpen: true,
    },
    (socket) => {
      callers.push(String(socket.getPeerCertificate().subject.CN));
      serveProxy(socket, (open) => {
        open.write('HTTP/1.1 200 OK\r\n\r\n');
        open.once('end', () => open.end('answer'));
        open.resume();
      });
    },
  );
  server.on('tlsClientError', () => {}); // a stranger
  const accepted = new Set<Socket>();
  server.on('connection', (socket: Socket) => accepted.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const file = (name: string) => join(directory, name);
  const issue = async (authority: typeof cluster, commonName: string) => {
    const issued = await authority.issue({ commonName, usages: ['client'] });
    await writeFile(file('client.crt'), issued.certificatePem);
    await writeFile(file('client.key'), issued.privateKeyPem);
  };
  await writeFile(file('ca.crt'), cluster.certificatePem);
  await issue(cluster, 'first');
  const load = async (serverName: string) => {
    const tlsConfig = `{ caBundle: ${file('ca.crt')}, clientCert: ${file('client.crt')}, clientKey: ${file('client.key')}${serverName} }`;
    await writeFile(
      file('egress.yaml'),
      `apiVersion: apiserver.k8s.io/v1beta1\nkind: EgressSelectorConfiguration\negressSelections:\n- name: cluster\n  connection: { proxyProtocol: HTTPConnect, transport: { tcp: { url: 'https://127.0.0.1:${port}', tlsConfig: ${tlsConfig} } } }\n`,
    );
    const dialer = (await loadEgressSelector(file('egress.yaml'))).dialer('cluster');
    assert.ok(dialer);
    return dialer;
  };

  const dialer = await load(', tlsServerName: konnectivity.example');
  for (const name of ['first', 'second']) {
    await issue(cluster, name);
    const stream = await dialer.dial(target, { signal });
    stream.end();
    assert.equal(await readText(stream), 'answer');
  }
  assert.deepEqual(callers, ['first', 'second']);
  await writeFile(file('client.key'), 'spoilt');
  const stream = await dialer.dial(target, { signal });
  stream.destroy();

  await issue(cluster, 'third');
  const misnamed = await load('');
  await assert.rejects(misnamed.dial(target, { signal }), /127\.0\.0\.1 is not in the cert/);
  await issue(stranger, 'stranger');
  const refused = await load(', tlsServerName: konnectivity.example');
  await assert.rejects(refused.dial(target, { signal }));
  assert.ok(!callers.includes('stranger'));
  // A client that turned away half-way leaves the server waiting for its handshake.
  for (const socket of accepted) socket.destroy();
  await close(server);
});

test('a file that cannot be read or is wrong names the flag and the file', async () => {
  const missing = join(directory, 'missing.yaml');
  await assert.rejects(loadEgressSelector(missing), {
    name: 'ConfigError',
    message: new RegExp(
      `^--egress-selector-config-file: unable to read egress selector configuration from "${missing}": ENOENT`,
    ),
  });
});
