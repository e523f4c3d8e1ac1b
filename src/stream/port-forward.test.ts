import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { portForwardProtocol } from './port-forward.ts';
import { openPortForward } from './port-forward-client.ts';
import { acceptPortForward } from './port-forward-server.ts';
import { openSpdy } from './spdy-client.ts';
import { listenUpgrades, type UpgradeServer } from './upgrade-server-suite.ts';
import { openWebSocket } from './websocket.ts';
import { WebSocketChannels } from './websocket-channels.ts';

const never = new AbortController().signal;

/** Ports below 100 echo, port 100 sends and closes, all others fail. */
function listenPorts(ports: readonly number[] = []): Promise<UpgradeServer> {
  return listenUpgrades(async (upgrade) => {
    for await (const { port, stream, fail } of acceptPortForward(upgrade, { signal: never, ports })) {
      if (port > 100) fail(`error forwarding port ${port}: refused`);
      else if (port === 100) stream.end('bye');
      else void pipeline(stream, stream).catch(() => {});
    }
  });
}

for (const via of ['spdy', 'websocket'] as const) {
  test(`${via}: bytes pass both ways, and each way ends by itself`, async () => {
    await using server = await listenPorts();
    await using client = await openPortForward(await server.dial(), {
      via,
      host: server.host,
      path: '/',
      signal: never,
    });
    const { stream, failure } = await client.connect(80);
    stream.end(Buffer.alloc(3_000_000, 'x'));
    assert.equal((await read(stream)).length, 3_000_000);
    assert.equal(await failure, undefined);
    const closing = await client.connect(100);
    assert.equal(await read(closing.stream), 'bye');
    assert.equal(await closing.failure, undefined);
  });

  test(`${via}: a failure is told and the connection goes on`, async () => {
    await using server = await listenPorts();
    await using client = await openPortForward(await server.dial(), {
      via,
      host: server.host,
      path: '/',
      signal: never,
    });
    const refused = await client.connect(101);
    assert.equal(await refused.failure, 'error forwarding port 101: refused');
    const { stream } = await client.connect(1);
    stream.end('still');
    assert.equal(await read(stream), 'still');
  });
}

test('streams that name no port or an unknown type are refused', async () => {
  await using server = await listenPorts();
  const options = { host: server.host, path: '/', protocols: [portForwardProtocol], signal: never };
  const { session } = await openSpdy(await server.dial(), options);
  for (const headers of [{ streamtype: 'data' }, { streamtype: 'data', port: '0' }, { streamtype: 'x', port: '1' }]) {
    await assert.rejects(session.open(new Map(Object.entries(headers))), /refused the stream \(status 3\)/);
  }
  await session.close();
});

test('streams without a request id are paired by their ids', async () => {
  await using server = await listenPorts();
  const options = { host: server.host, path: '/', protocols: [portForwardProtocol], signal: never };
  const { session } = await openSpdy(await server.dial(), options);
  const error = await session.open(new Map(Object.entries({ streamtype: 'error', port: '1' })));
  const data = await session.open(new Map(Object.entries({ streamtype: 'data', port: '1' })));
  data.end('paired');
  assert.equal(await read(data), 'paired');
  assert.equal(await read(error), '');
  await session.close();
});

test('the older WebSocket form says each port and carries bytes on a channel of its own', async () => {
  await using server = await listenPorts([1, 101]);
  const protocols = ['v4.channel.k8s.io'];
  const connection = await openWebSocket(await server.dial(), {
    host: server.host,
    path: '/',
    protocols,
    signal: never,
  });
  const options = { protocol: 'v4.channel.k8s.io', inbound: [0, 1, 2, 3], sendsClose: true } as const;
  const channels = new WebSocketChannels(connection, options);
  for (const [channel, port] of [1, 1, 101, 101].entries()) {
    const [first] = await once(channels.readable(channel), 'data');
    assert.equal(first.readUInt16LE(), port);
  }
  const echoed = once(channels.readable(0), 'data');
  channels.writable(0).write('echo');
  assert.equal(String((await echoed)[0]), 'echo');
  await connection.close();
});

async function read(stream: Duplex): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}
