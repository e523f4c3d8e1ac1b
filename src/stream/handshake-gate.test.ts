import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { before, test } from 'node:test';
import tls from 'node:tls';
import { createTestCredentials, type TestCredentials, until } from '../tunnel/tunnel-suite.ts';
import { gateHandshakes, type HandshakeLimits } from './handshake-gate.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

async function openGate(limits: HandshakeLimits) {
  const { certificate, key } = credentials.serverTls;
  const server = tls.createServer({ cert: certificate, key, handshakeTimeout: 60_000 }, (socket) => {
    socket.on('error', () => {}); // clients hang up
    socket.end('hello');
  });
  const sockets = new Set<net.Socket>();
  const listener = gateHandshakes(server, limits);
  listener.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: (listener.address() as net.AddressInfo).port,
    sockets,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function connectTls(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, ca: credentials.ca });
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.once('end', () => (text === '' ? reject(new Error('ended')) : resolve(text)));
    socket.once('close', () => reject(new Error('closed')));
    socket.once('error', reject);
  });
}

test('hundreds of connections at once all get through, a few at a time', async () => {
  await using gate = await openGate({ concurrent: 4, waiting: 500 });
  const answers = await Promise.all(Array.from({ length: 200 }, () => connectTls(gate.port)));
  assert.ok(answers.every((answer) => answer === 'hello'));
});

test('connections that say nothing delay others for a moment only', async () => {
  await using gate = await openGate({ concurrent: 2, turnMs: 20 });
  for (let at = 0; at < 6; at++) net.connect(gate.port, '127.0.0.1').on('error', () => {}); // the gate's end cuts them
  await until(() => gate.sockets.size === 6);
  assert.equal(await connectTls(gate.port), 'hello');
});

test('a turn is over when its client goes, and connections beyond the bound are closed', async () => {
  await using gate = await openGate({ concurrent: 1, waiting: 1, turnMs: 60_000 });
  const idle = net.connect(gate.port, '127.0.0.1');
  await until(() => gate.sockets.size === 1);
  const waiting = connectTls(gate.port);
  await until(() => gate.sockets.size === 2);
  await assert.rejects(connectTls(gate.port));
  idle.destroy();
  assert.equal(await waiting, 'hello');
});
