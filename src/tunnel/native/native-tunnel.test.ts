import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { before, test } from 'node:test';
import {
  connectThrough,
  createTestCredentials,
  listenTarget,
  openTestTunnel,
  readAll,
  type TestCredentials,
  type TestTunnel,
  until,
} from '../tunnel-suite.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

const never = new AbortController().signal;
const fourMegabytes = randomBytes(4 * 1024 * 1024);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const whole = hash(fourMegabytes);

/** The two ways in. Both give a half-closable stream of which nothing is read yet. */
const doors: Readonly<Record<string, (tunnel: TestTunnel, port: number) => Promise<Duplex>>> = {
  'the in-process dial': (tunnel, port) => tunnel.server.dial({ host: '127.0.0.1', port }, { signal: never }),
  'HTTP CONNECT': async (tunnel, port) => {
    const { socket, header, behind } = await connectThrough({ path: tunnel.udsPath }, `127.0.0.1:${port}`);
    assert.equal(header, 'HTTP/1.1 200 Connection Established');
    if (behind.length > 0) socket.unshift(behind);
    return socket;
  },
};

/** Takes a piece each time the event loop comes round, so that everything before it fills up. */
async function readSlowly(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  const ended = once(stream, 'end');
  stream.on('data', (chunk: Buffer) => {
    parts.push(chunk);
    stream.pause();
    setImmediate(() => stream.resume());
  });
  stream.resume();
  await ended;
  return Buffer.concat(parts);
}

const isIdle = async (tunnel: TestTunnel) =>
  tunnel.agent.connections === 0 &&
  /server_established_connections 0\n/.test(await tunnel.serverMetrics.render()) &&
  /server_pending_backend_dials 0\n/.test(await tunnel.serverMetrics.render());

for (const [door, open] of Object.entries(doors)) {
  test(`${door}: 4 MB each way at once, each side ends behind its own, and both get all`, async () => {
    await using tunnel = await openTestTunnel(credentials);
    const received = Promise.withResolvers<string>();
    await using target = await listenTarget((socket) => {
      socket.end(fourMegabytes);
      void readSlowly(socket).then((bytes) => received.resolve(hash(bytes)));
    });
    const stream = await open(tunnel, target.port);
    stream.end(fourMegabytes);
    assert.equal(hash(await readSlowly(stream)), whole);
    assert.equal(await received.promise, whole);
    await until(() => isIdle(tunnel));
  });

  test(`${door}: a client that ends first still gets an answer that is made from all it sent`, async () => {
    await using tunnel = await openTestTunnel(credentials);
    await using target = await listenTarget((socket) => {
      void readSlowly(socket).then((bytes) => socket.end(bytes));
    });
    const stream = await open(tunnel, target.port);
    stream.end(fourMegabytes);
    assert.equal(hash(await readSlowly(stream)), whole);
    await until(() => isIdle(tunnel));
  });

  test(`${door}: a target that ends first still gets all that the client sends afterwards`, async () => {
    await using tunnel = await openTestTunnel(credentials);
    const received = Promise.withResolvers<string>();
    await using target = await listenTarget((socket) => {
      socket.end('bye');
      void readSlowly(socket).then((bytes) => received.resolve(hash(bytes)));
    });
    const stream = await open(tunnel, target.port);
    assert.equal((await readAll(stream)).toString(), 'bye');
    stream.end(fourMegabytes);
    assert.equal(await received.promise, whole);
    await until(() => isIdle(tunnel));
  });

  test(`${door}: a client that closes behind 4 MB, while as much comes towards it unread, loses none of its own`, async () => {
    await using tunnel = await openTestTunnel(credentials);
    const received = Promise.withResolvers<string>();
    await using target = await listenTarget((socket) => {
      socket.write(fourMegabytes);
      setImmediate(() => void readSlowly(socket).then((bytes) => received.resolve(hash(bytes))));
      socket.once('end', () => socket.end());
    });
    const stream = await open(tunnel, target.port);
    stream.end(fourMegabytes);
    await once(stream, 'finish');
    stream.destroy();
    assert.equal(await received.promise, whole);
    await until(() => isIdle(tunnel));
  });

  test(`${door}: a client that goes before it has read what an ended target sent leaves nothing`, async () => {
    await using tunnel = await openTestTunnel(credentials);
    const closed = Promise.withResolvers<void>();
    await using target = await listenTarget((socket) => {
      socket.resume();
      socket.end(fourMegabytes);
      socket.once('close', () => closed.resolve());
    });
    const stream = await open(tunnel, target.port);
    stream.end('thanks');
    await once(stream, 'finish');
    stream.destroy();
    await closed.promise;
    await until(() => isIdle(tunnel));
  });

  test(`${door}: a target that closes behind 4 MB loses none of them to a client that reads slowly and sends on`, async () => {
    await using tunnel = await openTestTunnel(credentials);
    await using target = await listenTarget((socket) => {
      socket.end(fourMegabytes, () => socket.resume());
    });
    const stream = await open(tunnel, target.port);
    stream.on('error', () => {}); // its own bytes may have nowhere to go
    const sending = setInterval(() => stream.write('more'), 1);
    assert.equal(hash(await readSlowly(stream)), whole);
    clearInterval(sending);
    stream.end();
    await until(() => isIdle(tunnel));
  });
}

test('a thousand tunnels to a target that speaks first: the header, then its bytes in order', async () => {
  await using tunnel = await openTestTunnel(credentials);
  const greeting = 'SSH-2.0-first\r\n'.repeat(20);
  await using target = await listenTarget((socket) => socket.end(greeting));
  for (let round = 0; round < 20; round++) {
    const heard = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const { socket, header, behind } = await connectThrough({ path: tunnel.udsPath }, `127.0.0.1:${target.port}`);
        const rest = await readAll(socket);
        socket.end();
        return `${header}|${behind}${rest}`;
      }),
    );
    for (const text of heard) assert.equal(text, `HTTP/1.1 200 Connection Established|${greeting}`);
  }
  await until(() => isIdle(tunnel));
});

test('a target that resets breaks the client’s stream behind what it sent, and is no end', async () => {
  await using tunnel = await openTestTunnel(credentials);
  const accepted = Promise.withResolvers<Socket>();
  await using target = await listenTarget((socket) => accepted.resolve(socket));
  const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  const socket = await accepted.promise;
  socket.write('the last words');
  const [first] = (await once(stream, 'data')) as [Buffer];
  assert.equal(first.toString(), 'the last words');
  stream.on('end', () => assert.fail('a reset is no end'));
  const failed = once(stream, 'error');
  socket.resetAndDestroy();
  const [error] = (await failed) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  assert.equal(error.message, `the connection to 127.0.0.1:${target.port} was reset`);
  await until(() => isIdle(tunnel));
});

test('a stream that is destroyed with an error resets the target', async () => {
  await using tunnel = await openTestTunnel(credentials);
  const accepted = Promise.withResolvers<Socket>();
  await using target = await listenTarget((socket) => accepted.resolve(socket));
  const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  const socket = await accepted.promise;
  const failed = once(socket, 'error');
  socket.resume();
  stream.on('error', () => {});
  stream.destroy(new Error('enough'));
  const [error] = (await failed) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  await until(() => isIdle(tunnel));
});
