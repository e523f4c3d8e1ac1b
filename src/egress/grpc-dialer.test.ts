import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { decodePacket, encodePacket, type OutgoingPacket, type Packet } from '../wire/konnectivity.ts';
import { grpcDialer } from './grpc-dialer.ts';

type Call = grpc.ServerDuplexStream<Packet, OutgoingPacket>;

let directory: string;
let count = 0;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-grpc-'));
});
after(() => rm(directory, { recursive: true }));

const { signal } = new AbortController();
const target = { host: 'fd00::1', port: 443 };

/** A proxy server by grpc-js, an implementation of gRPC that is not ours. `serve` gets each call. */
async function listenProxy(serve: (call: Call, packets: Packet[]) => void, { timeoutMs = 10_000 } = {}) {
  const path = join(directory, `${++count}.sock`);
  const packets: Packet[] = [];
  const server = new grpc.Server();
  server.addService(
    {
      Proxy: {
        path: '/ProxyService/Proxy',
        requestStream: true,
        responseStream: true,
        requestSerialize: encodePacket,
        requestDeserialize: decodePacket,
        responseSerialize: encodePacket,
        responseDeserialize: decodePacket,
      },
    },
    {
      Proxy: (call: Call) => {
        call.on('error', () => {}); // a client that goes away
        call.on('data', (packet: Packet) => packets.push(packet));
        call.on('end', () => call.end());
        serve(call, packets);
      },
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return {
    dialer: grpcDialer({ path, timeoutMs }),
    packets,
    server,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
}

/** Answers the dial with `answer`, then does the rest. */
const answering =
  (answer: (random: bigint) => OutgoingPacket | undefined, rest: (call: Call, packet: Packet) => void = () => {}) =>
  (call: Call) => {
    call.on('data', (packet: Packet) => {
      if (packet.type === 'DIAL_REQ') {
        const packetOut = answer(packet.random);
        if (packetOut) call.write(packetOut);
      }
      rest(call, packet);
    });
  };
const accept = (random: bigint): OutgoingPacket => ({ type: 'DIAL_RSP', error: '', connectId: 7n, random });

async function readText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
}

test('a dial, bytes both ways, and a close that is answered', async () => {
  await using proxy = await listenProxy(
    answering(accept, (call, packet) => {
      if (packet.type === 'DATA') call.write({ type: 'DATA', connectId: 7n, data: Buffer.from(`got ${packet.data}`) });
      if (packet.type === 'CLOSE_REQ') call.write({ type: 'CLOSE_RSP', error: '', connectId: 7n });
    }),
  );
  const stream = await proxy.dialer.dial(target, { signal });
  stream.end('hello');
  assert.equal(await readText(stream), 'got hello');
  const [dial, ...rest] = proxy.packets;
  assert.ok(dial?.type === 'DIAL_REQ' && dial.random >= 0n && dial.random < 1n << 63n);
  assert.deepEqual([dial.protocol, dial.address], ['tcp', '[fd00::1]:443']);
  assert.deepEqual(
    rest.map(({ type }) => type),
    ['DATA', 'CLOSE_REQ'],
  );
});

const failures: readonly (readonly [name: string, serve: (call: Call) => void, message: RegExp])[] = [
  [
    'the agent’s error',
    answering((random) => ({ type: 'DIAL_RSP', error: 'dial tcp: no such host', connectId: 0n, random })),
    /^dial tcp: no such host$/,
  ],
  ['a dial that the server closes', answering((random) => ({ type: 'DIAL_CLS', random })), /^dial closed$/],
  ['a call that ends', (call) => call.end(), /^tunnel closed$/],
  [
    'a call that fails',
    (call) => void call.emit('error', { code: grpc.status.UNKNOWN, details: 'not today – ü' }),
    /^tunnel closed: not today – ü$/,
  ],
];
for (const [name, serve, message] of failures) {
  test(`a dial fails with ${name}`, async () => {
    await using proxy = await listenProxy(serve);
    await assert.rejects(proxy.dialer.dial(target, { signal }), (error: Error & { stage?: string }) => {
      assert.match(error.message, message);
      assert.equal(error.stage, 'proxy');
      return true;
    });
  });
}

test('a dial that nobody answers ends, and tells the server; so does one that is given up', async () => {
  const closed = Promise.withResolvers<bigint>();
  const serve = answering(
    () => undefined,
    (_, packet) => packet.type === 'DIAL_CLS' && closed.resolve(packet.random),
  );
  await using proxy = await listenProxy(serve, { timeoutMs: 30 });
  await assert.rejects(proxy.dialer.dial(target, { signal }), /^ProxyDialError: dial timeout, backstop$/);
  const [dial] = proxy.packets;
  assert.equal(await closed.promise, dial?.type === 'DIAL_REQ' && dial.random);

  const given = new AbortController();
  await using waiting = await listenProxy(answering(() => void given.abort(new Error('given up'))));
  await assert.rejects(
    waiting.dialer.dial(target, { signal: given.signal }),
    /^ProxyDialError: dial timeout, context$/,
  );
});

test('answers to other dials and bytes of other connections are not this one’s', async () => {
  await using proxy = await listenProxy(
    answering(accept, (call, packet) => {
      if (packet.type === 'DIAL_REQ') {
        call.write({ type: 'DATA', connectId: 8n, data: Buffer.from('not ours') });
        call.write({ type: 'DATA', connectId: 7n, data: Buffer.from('ours') });
        call.write({ type: 'CLOSE_RSP', error: '', connectId: 7n });
      }
    }),
  );
  const stream = await proxy.dialer.dial(target, { signal });
  stream.end();
  assert.equal(await readText(stream), 'ours');
});

test('what came before the proxy server was lost can be read; then the stream fails', async () => {
  const opened = Promise.withResolvers<Call>();
  await using proxy = await listenProxy(
    answering(accept, (call) => {
      call.write({ type: 'DATA', connectId: 7n, data: Buffer.alloc(100_000, 'x') });
      opened.resolve(call);
    }),
  );
  const stream = await proxy.dialer.dial(target, { signal });
  await once(stream, 'readable');
  (await opened.promise).end();
  let bytes = 0;
  await assert.rejects(async () => {
    for await (const chunk of stream) bytes += (chunk as Buffer).length; // no encoding was set
  }, /^Error: \[fd00::1\]:443: tunnel closed$/);
  assert.equal(bytes, 100_000);
});

test('a connection that is broken off tells the server', async () => {
  const closed = Promise.withResolvers<void>();
  await using proxy = await listenProxy(
    answering(accept, (_, packet) => packet.type === 'CLOSE_REQ' && packet.connectId === 7n && closed.resolve()),
  );
  const stream = await proxy.dialer.dial(target, { signal });
  stream.destroy();
  await closed.promise;
});
