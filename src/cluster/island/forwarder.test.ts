import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Logger, silentLogger } from '../../lib/log.ts';
import { listenForwarder } from './forwarder.ts';

const directory = mkdtempSync(join(tmpdir(), 'fairlead-forwarder-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
let count = 0;

/** A target on a port of its own and a forwarder to it. Both end with the stack. */
async function open(
  stack: AsyncDisposableStack,
  serve: (socket: Socket) => void,
  options: { maxConnections?: number; log?: Logger } = {},
): Promise<{ path: string; target: Server }> {
  const target = createServer({ allowHalfOpen: true }, serve).listen(0, '127.0.0.1');
  stack.defer(() => void target.close());
  await once(target, 'listening');
  const path = join(directory, `${count++}.sock`);
  const { port } = target.address() as { port: number }; // it listens on TCP
  stack.use(
    await listenForwarder({ listen: { path }, target: { host: '127.0.0.1', port }, log: silentLogger, ...options }),
  );
  return { path, target };
}

test('bytes go both ways, and one end’s end leaves the other open', async () => {
  await using stack = new AsyncDisposableStack();
  const { path } = await open(stack, async (socket) => {
    const request = Buffer.concat((await socket.toArray()) as Buffer[]);
    socket.end(Buffer.concat([request, request]));
  });
  const client = connect({ path, allowHalfOpen: true });
  const payload = Buffer.alloc(1_000_000, 'abc');
  client.end(payload);
  const answer = Buffer.concat((await client.toArray()) as Buffer[]);
  assert.equal(answer.compare(Buffer.concat([payload, payload])), 0);
});

test('a target that speaks first is heard', async () => {
  await using stack = new AsyncDisposableStack();
  const { path } = await open(stack, (socket) => socket.end('first'));
  const client = connect({ path });
  assert.equal(Buffer.concat((await client.toArray()) as Buffer[]).toString(), 'first');
});

test('a target that is not there ends the connection', async () => {
  const path = join(directory, 'none.sock');
  const target = { path: join(directory, 'missing.sock') };
  await using _forwarder = await listenForwarder({ listen: { path }, target, log: silentLogger });
  const client = connect({ path });
  await once(client, 'close');
  assert.equal(client.bytesRead, 0);
});

test('connections beyond the limit are refused and told once each, others go on', async () => {
  await using stack = new AsyncDisposableStack();
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
  const { path } = await open(stack, (socket) => socket.pipe(socket), { maxConnections: 1, log });
  const first = connect({ path });
  first.write('a');
  await once(first, 'data');
  const second = connect({ path });
  second.on('error', () => {}); // refused: reset or closed
  await once(second, 'close');
  assert.deepEqual(warnings, ['Too many forwarded connections: one was refused']);
  first.write('b');
  const [chunk] = (await once(first, 'data')) as [Buffer];
  assert.equal(chunk.toString(), 'b');
  first.destroy();
});

test('disposal ends every connection at both ends', async () => {
  const stack = new AsyncDisposableStack();
  const accepted = Promise.withResolvers<Socket>();
  const { path } = await open(stack, (socket) => {
    socket.on('error', () => {}); // it is cut off
    accepted.resolve(socket);
  });
  const client = connect({ path });
  client.on('error', () => {}); // it is cut off
  const socket = await accepted.promise;
  const closed = [once(client, 'close'), once(socket, 'close')];
  socket.resume().once('end', () => socket.end());
  await stack.disposeAsync();
  await Promise.all(closed);
});
