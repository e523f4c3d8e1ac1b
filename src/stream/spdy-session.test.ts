import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { SpdyDecoder } from '../wire/spdy/decoder.ts';
import { encodeDataHead, encodePing, encodeRstStream, resetStatus, type SpdyFrame } from '../wire/spdy/frame.ts';
import { SpdySession, type SpdySessionOptions } from './spdy-session.ts';
import type { SpdyStream } from './spdy-stream.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const synError = hex(
  '80030001 00000029 00000001 00000000 0000 78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff',
);

test('a ping is echoed, and the echo of an own one is not', async () => {
  await using pair = await connectPair();
  const session = new SpdySession(pair.far, { role: 'server', pingIntervalMs: 0 });
  pair.near.write(Buffer.concat([encodePing(2), encodePing(7)]));
  assert.deepEqual(await nextFrame(pair.near), { type: 'ping', id: 7 });
  session.destroy();
});

test('pings go out while nothing else does', async () => {
  await using pair = await connectPair();
  const session = new SpdySession(pair.far, { role: 'server', pingIntervalMs: 5 });
  assert.deepEqual(await nextFrame(pair.near), { type: 'ping', id: 2 });
  session.destroy();
});

test('a stream is replied to at once, and GOAWAY comes last', async () => {
  await using pair = await connectPair();
  const { session, stream } = await acceptFirst(pair);
  stream.end('{"status":"Success"}');
  await once(stream, 'finish');
  void session.close();
  const frames = await readAll(pair.near);
  const types = frames.map(({ type }) => type);
  assert.deepEqual(types, ['synReply', 'data', 'data', 'goAway']);
});

test('a cancel behind data is an end, not an error', async () => {
  await using pair = await connectPair();
  const { session, stream } = await acceptFirst(pair);
  pair.near.write(Buffer.concat([encodeDataHead(1, 3, { fin: false }), Buffer.from('abc'), encodeRstStream(1, 5)]));
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  assert.equal(text, 'abc');
  session.destroy();
});

test('any other reset is an error of the stream alone', async () => {
  await using pair = await connectPair();
  const { session, stream } = await acceptFirst(pair);
  pair.near.write(encodeRstStream(1, resetStatus.internalError));
  const [error] = await once(stream, 'error').catch((cause: unknown) => [cause]);
  assert.match(String(error), /was reset by the peer: internalError/);
  assert.equal(session.closed.aborted, false);
  session.destroy();
});

test('a stream nobody reads holds its bound and stops the sender, and loses nothing', async () => {
  await using pair = await connectPair();
  const { session, stream } = await acceptFirst(pair, { streamBufferBytes: 64 * 1024 });
  const size = 32 * 1024 * 1024;
  pair.near.write(encodeDataHead(1, 8 * 1024 * 1024, { fin: false }));
  for (let sent = 0; sent < size; sent += 8 * 1024 * 1024) {
    if (sent > 0) pair.near.write(encodeDataHead(1, 8 * 1024 * 1024, { fin: sent + 8 * 1024 * 1024 === size }));
    pair.near.write(Buffer.alloc(8 * 1024 * 1024));
  }
  await once(stream, 'readable');
  await new Promise(setImmediate);
  assert.ok(pair.far.isPaused());
  assert.ok(stream.readableLength < 256 * 1024, `${stream.readableLength} bytes are held`);
  let received = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) received += chunk.length;
  assert.equal(received, size);
  session.destroy();
});

test('a broken frame ends the connection and fails its streams', async () => {
  await using pair = await connectPair();
  const { session, stream } = await acceptFirst(pair);
  const failed = once(stream, 'error');
  pair.near.write(hex('80030005 00000001 00'));
  assert.match(String((await failed)[0]), /unknown type 5/);
  assert.match(String(session.closed.reason), /unknown type 5/);
});

test('mutated input never crashes or hangs a session', async () => {
  let state = 0x9e3779b9;
  const random = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  const good = Buffer.concat([synError, encodeDataHead(1, 5, { fin: true }), Buffer.from('hello'), encodePing(1)]);
  for (let round = 0; round < 60; round++) {
    await using pair = await connectPair();
    const session = new SpdySession(pair.far, { role: 'server', onStream: (offer) => void offer.accept().resume() });
    const bytes = Buffer.from(good);
    for (let count = 0; count < 4; count++) bytes[random() % bytes.length] = random() & 0xff;
    pair.near.on('error', () => {}); // the session may have cut the connection
    pair.near.end(bytes);
    pair.near.resume();
    if (!session.closed.aborted) await once(session.closed, 'abort');
  }
});

interface Pair extends AsyncDisposable {
  readonly near: Socket;
  readonly far: Socket;
}

async function connectPair(): Promise<Pair> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const near = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const [far] = (await once(server, 'connection')) as [Socket];
  return {
    near,
    far,
    [Symbol.asyncDispose]: async () => {
      near.destroy();
      far.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function acceptFirst(
  pair: Pair,
  options: Partial<SpdySessionOptions> = {},
): Promise<{ session: SpdySession; stream: SpdyStream }> {
  const opened = Promise.withResolvers<SpdyStream>();
  const session = new SpdySession(pair.far, {
    ...{ role: 'server', pingIntervalMs: 0, ...options },
    onStream: (offer) => opened.resolve(offer.accept()),
  });
  pair.near.write(synError);
  return { session, stream: await opened.promise };
}

async function nextFrame(socket: Socket): Promise<SpdyFrame | undefined> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return new SpdyDecoder().decode(chunk).next().value ?? undefined;
}

async function readAll(socket: Socket): Promise<SpdyFrame[]> {
  const decoder = new SpdyDecoder();
  const frames: SpdyFrame[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) frames.push(...decoder.decode(chunk));
  return frames;
}
