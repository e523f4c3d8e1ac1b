import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { listenUpgrades, type UpgradeServer } from './upgrade-server-suite.ts';
import { acceptWebSocket, openWebSocket, type WebSocketConnection } from './websocket.ts';
import { WebSocketChannels } from './websocket-channels.ts';

const protocol = 'v5.channel.k8s.io';

test('what a server writes while a message is under way is joined in order, in messages of at most 64 KiB', async () => {
  const chunks = Array.from({ length: 40 }, (_, index) => Buffer.alloc(5000, index));
  const accepted = Promise.withResolvers<WebSocketConnection>();
  await using server = await serve(accepted.resolve);
  const client = await open(server);
  const messages: Buffer[] = [];
  const closed = Promise.withResolvers<number>();
  client.start({ message: (data) => messages.push(Buffer.from(data)), closed: closed.resolve });
  const connection = await accepted.promise;
  const output = channelsOf(connection).writable(1);
  for (const chunk of chunks) output.write(chunk);
  output.end();
  await once(output, 'finish');
  await connection.close();
  assert.equal(await closed.promise, 1000);
  assert.ok(messages.length < chunks.length);
  assert.ok(messages.every((message) => message[0] === 1 && message.length <= 1 + 64 * 1024));
  assert.deepEqual(Buffer.concat(messages.map((message) => message.subarray(1))), Buffer.concat(chunks));
});

test('a write that the client never takes fails when the connection is lost', async () => {
  const accepted = Promise.withResolvers<WebSocketConnection>();
  await using server = await serve(accepted.resolve);
  const client = await open(server); // never started: reads nothing
  const output = channelsOf(await accepted.promise).writable(1);
  const failed = once(output, 'error');
  while (output.write(Buffer.alloc(64 * 1024)) || output.writableLength < 8 * 1024 * 1024);
  client.terminate();
  const [error] = await failed;
  assert.ok(error instanceof Error);
});

function serve(take: (connection: WebSocketConnection) => void): Promise<UpgradeServer> {
  return listenUpgrades(async (upgrade) => take(acceptWebSocket(upgrade, { protocol })));
}

async function open(server: UpgradeServer): Promise<WebSocketConnection> {
  const { signal } = new AbortController();
  return openWebSocket(await server.dial(), { host: server.host, path: '/', protocols: [protocol], signal });
}

function channelsOf(connection: WebSocketConnection): WebSocketChannels {
  return new WebSocketChannels(connection, { protocol, inbound: [], sendsClose: false });
}
