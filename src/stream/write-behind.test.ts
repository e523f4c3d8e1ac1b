import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeBehind } from './write-behind.ts';

const options = { settings: { initialWindowSize: 4 * 1024 * 1024 }, maxSessionMemory: 1000 };
const piece = Buffer.alloc(64 * 1024, 'x');
const totalBytes = 256 * piece.length;

/** Piece by piece, as fast as it goes. */
function send(stream: http2.Http2Stream): void {
  let left = totalBytes / piece.length;
  const push = () => {
    for (; left > 0; left--) if (!stream.write(piece)) break;
    left--;
    if (left <= 0) stream.end();
    else stream.once('drain', push);
  };
  push();
}

test('two ends of HTTP/2 that both have more to send than the connection holds do not wait for each other', async () => {
  const server = http2.createServer(options);
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    send(stream);
    stream.resume();
  });
  // A Unix socket holds little, so that the two meet at once.
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-write-behind-'));
  const path = join(directory, 'h2.sock');
  server.listen(path);
  await once(server, 'listening');
  const session = http2.connect('http://localhost', {
    ...options,
    createConnection: () => writeBehind(connect({ path })),
  });
  const streams = Array.from({ length: 4 }, () => session.request({ ':method': 'POST' }, { endStream: false }));
  const received = streams.map(async (stream) => {
    send(stream);
    let bytes = 0;
    for await (const chunk of stream) bytes += (chunk as Buffer).length; // no encoding was set
    return bytes;
  });
  assert.deepEqual(
    await Promise.all(received),
    streams.map(() => totalBytes),
  );
  session.close();
  await once(session, 'close');
  server.close();
  await once(server, 'close');
  rmSync(directory, { recursive: true });
});

test('bytes, half-closes and breaks pass through', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += String(chunk);
    });
    socket.on('end', () => (text === 'break' ? socket.resetAndDestroy() : socket.end(`got ${text}`)));
    socket.on('error', () => {}); // a reset of our own
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const open = () => writeBehind(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), { maxBytes: 2 });
  const stream = open();
  stream.write('a');
  stream.write('bc');
  stream.end('d');
  let answer = '';
  for await (const chunk of stream) answer += String(chunk);
  assert.equal(answer, 'got abcd');

  const broken = open();
  broken.resume();
  broken.end('break');
  const [error] = (await once(broken, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
  server.close();
  await once(server, 'close');
});
