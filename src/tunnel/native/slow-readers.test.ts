import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { before, test } from 'node:test';
import {
  createTestCredentials,
  listenTarget,
  openTestTunnel,
  readAll,
  type TestCredentials,
  until,
} from '../tunnel-suite.ts';
import { NativeConnection } from './native-connection.ts';
import { nativeWindowBytes } from './native-protocol.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

const never = new AbortController().signal;
const megabyte = Buffer.alloc(1024 * 1024, 'x');

function pushForever(socket: Socket): void {
  const push = () => {
    while (!socket.destroyed && socket.write(megabyte));
  };
  socket.on('drain', push);
  push();
}

function native(stream: Duplex): NativeConnection {
  assert.ok(stream instanceof NativeConnection);
  return stream;
}

test('readers that take nothing hold a window each and hold up nobody', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using endless = await listenTarget(pushForever);
  await using target = await listenTarget((socket) => socket.end(megabyte));
  const dial = (port: number) => tunnel.server.dial({ host: '127.0.0.1', port }, { signal: never });
  const stalled = await Promise.all(Array.from({ length: 10 }, () => dial(endless.port)));
  for (const stream of stalled) stream.once('data', () => stream.pause());
  await until(() => stalled.every((stream) => native(stream).queuedBytes >= nativeWindowBytes / 2));
  for (let round = 0; round < 5; round++) {
    const healthy = await dial(target.port);
    assert.equal((await readAll(healthy)).length, megabyte.length);
    healthy.end();
  }
  for (const stream of stalled) {
    assert.ok(native(stream).queuedBytes <= nativeWindowBytes + 256 * 1024, `${native(stream).queuedBytes} bytes`);
    assert.equal(stream.destroyed, false);
    stream.destroy();
  }
  await until(() => tunnel.agent.connections === 0);
});

test('a target that takes nothing holds a window in the agent, and the others go on', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using deaf = await listenTarget((socket) => socket.pause());
  await using target = await listenTarget(
    (socket) => void readAll(socket).then(({ length }) => socket.end(`${length}`)),
  );
  const dial = (port: number) => tunnel.server.dial({ host: '127.0.0.1', port }, { signal: never });
  const stalled = await dial(deaf.port);
  while (stalled.write(megabyte) || stalled.writableLength < 4 * megabyte.length);
  for (let round = 0; round < 5; round++) {
    const healthy = await dial(target.port);
    healthy.end(megabyte);
    assert.equal((await readAll(healthy)).toString(), String(megabyte.length));
  }
  stalled.on('error', () => {});
  stalled.destroy(new Error('enough'));
  await until(() => tunnel.agent.connections === 0);
});

test('where all slow readers together hold too much, the one that holds most is closed, and named', async () => {
  await using tunnel = await openTestTunnel(credentials, { server: { queues: { totalBytes: 2 * nativeWindowBytes } } });
  await using endless = await listenTarget(pushForever);
  const errors: string[] = [];
  const stalled = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const stream = await tunnel.server.dial({ host: '127.0.0.1', port: endless.port }, { signal: never });
      stream.once('data', () => stream.pause());
      stream.once('error', (error) => errors.push(error.message));
      return stream;
    }),
  );
  await until(() => errors.length >= 2);
  assert.match(errors[0] ?? '', /^the reader of 127\.0\.0\.1:\d+ is \d+ bytes behind, and all together hold too much$/);
  assert.match(await tunnel.serverMetrics.render(), /stalled_connections_total [23]\n/);
  const [survivor] = stalled.filter((stream) => !stream.destroyed);
  assert.ok(survivor);
  const more = once(survivor, 'data');
  survivor.resume();
  await more;
  for (const stream of stalled) stream.destroy();
  await until(() => tunnel.agent.connections === 0);
});
