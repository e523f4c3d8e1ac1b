import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { dialDirect } from './direct.ts';

test('a dialled stream is half-closable: the answer after our end arrives whole', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume();
    socket.on('end', () => socket.end('after the end'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stream = await dialDirect({ host: '127.0.0.1', port }, { signal: new AbortController().signal });
  stream.end();
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  assert.equal(text, 'after the end');
  server.close();
});

test('a refused connection names the address and the node', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await assert.rejects(
    dialDirect({ host: '127.0.0.1', port, node: 'n1' }, { signal: new AbortController().signal }),
    new RegExp(`^Error: dial tcp 127\\.0\\.0\\.1:${port} \\(node n1\\): .*ECONNREFUSED`),
  );
});

test('an aborted dial rejects with the reason', async () => {
  const controller = new AbortController();
  controller.abort(new Error('given up'));
  await assert.rejects(dialDirect({ host: '127.0.0.1', port: 1 }, { signal: controller.signal }), /given up/);
});
