import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { createTestCredentials, listenTarget, openTestTunnel } from '../tunnel-suite.ts';

const share = 4 * 1024 * 1024;
const chunk = Buffer.alloc(64 * 1024);

/** Writes the share as fast as it is taken, and reads the other side's. */
async function pushAndPull(stream: Duplex): Promise<number> {
  let received = 0;
  const pulled = new Promise<void>((resolve, reject) => {
    stream.on('data', (bytes: Buffer) => {
      received += bytes.length;
      if (received === share) resolve();
    });
    stream.once('error', reject);
  });
  for (let sent = 0; sent < share; sent += chunk.length) {
    if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  await pulled;
  return received;
}

// Node's HTTP/2 does not read while a write is under way: without a remedy both ends stop here for good.
test('64 connections that push both ways at once all get through', async () => {
  await using tunnel = await openTestTunnel(await createTestCredentials());
  await using target = await listenTarget((socket) => {
    socket.on('error', () => {});
    pushAndPull(socket).catch(() => {}); // the other side tells
  });
  const signal = AbortSignal.timeout(60_000);
  const received = await Promise.all(
    Array.from({ length: 64 }, async () => {
      const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal });
      const bytes = await pushAndPull(stream);
      stream.destroy();
      return bytes;
    }),
  );
  assert.ok(received.every((bytes) => bytes === share));
});
