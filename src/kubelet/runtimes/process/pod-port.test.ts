import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { openPodPort } from './pod-port.ts';

const linux = process.platform === 'linux';
const signal = new AbortController().signal;
const ours = async () => [process.pid];
const nobody = async () => [];

test("a program on the pod's own address is reached", { skip: !linux }, async () => {
  await using server = await listen('127.99.0.7');
  const stream = await openPodPort({ ip: '127.99.0.7', port: server.port, processes: nobody, signal });
  assert.equal(await textOf(stream), 'hi');
});

for (const host of ['127.0.0.1', '0.0.0.0', '::1', '::']) {
  test(`a program of the pod that listens on ${host} is reached, another one is refused`, {
    skip: !linux,
  }, async () => {
    await using server = await listen(host);
    const request = { ip: '127.99.0.8', port: server.port, signal };
    assert.equal(await textOf(await openPodPort({ ...request, processes: ours })), 'hi');
    await assert.rejects(openPodPort({ ...request, processes: nobody }), {
      name: 'RuntimeError',
      reason: 'NotFound',
      message: /on port \d+ of this machine is not the pod's/,
    });
  });
}

test('a port on which nothing listens is refused', { skip: !linux }, async () => {
  const server = await listen('127.99.0.9');
  await server[Symbol.asyncDispose]();
  const { port } = server;
  await assert.rejects(openPodPort({ ip: '127.99.0.9', port, processes: ours, signal }), {
    reason: 'NotFound',
    message: /nothing in the pod listens/,
  });
});

async function textOf(stream: Socket): Promise<string> {
  const all = await text(stream);
  stream.end();
  return all;
}

async function listen(host: string) {
  const server = createServer((socket) => socket.end('hi')).listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
