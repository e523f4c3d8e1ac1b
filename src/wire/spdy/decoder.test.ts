import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../lib/protocol-error.ts';
import { SpdyDecoder } from './decoder.ts';
import {
  encodeDataHead,
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  encodeSynStream,
  type SpdyFrame,
} from './frame.ts';
import { HeaderBlockEncoder } from './header-block.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** `echo hello | kubectl exec -i p -- cat` by kubectl 1.32, client to server. */
const recorded = [
  '80030001 00000029 00000001 00000000 0000 78f9e3c6a7c26260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff',
  '80030001 00000017 00000003 00000000 0000 c22e555c92929907000000ffff',
  '80030001 00000019 00000005 00000000 0000 c22ac5565c92925f5a02000000ffff',
  '80030001 00000015 00000007 00000000 0000 c229975a5404000000ffff',
  '00000003 00000006 68656c6c6f0a',
  '00000003 01000000',
  '80030003 00000008 00000005 00000005',
  '80030007 00000008 00000000 00000000',
].map(hex);

const expected = [
  ...['error', 'stdin', 'stdout', 'stderr'].map((type, index) => ({
    type: 'synStream',
    streamId: 2 * index + 1,
    headers: new Map([['streamtype', type]]),
    fin: false,
    unidirectional: false,
  })),
  { type: 'data', streamId: 3, payload: Buffer.from('hello\n'), fin: false },
  { type: 'data', streamId: 3, payload: Buffer.alloc(0), fin: true },
  { type: 'rstStream', streamId: 5, status: 5 },
  { type: 'goAway', lastStreamId: 0, status: 0 },
];

test('a session recorded from kubectl is read', () => {
  assert.deepEqual(joinData(decode([Buffer.concat(recorded)])), expected);
});

test('a session recorded from kubectl is read one byte at a time', () => {
  const bytes = [...Buffer.concat(recorded)].map((byte) => Buffer.of(byte));
  assert.deepEqual(joinData(decode(bytes)), expected);
});

test('a session is read at every split point', () => {
  const whole = Buffer.concat(recorded);
  for (let at = 1; at < whole.length; at++) {
    assert.deepEqual(joinData(decode([whole.subarray(0, at), whole.subarray(at)])), expected, `split at ${at}`);
  }
});

test('what is written is read back', () => {
  const encoder = new HeaderBlockEncoder();
  const headers = new Map([['streamtype', 'data']]);
  const bytes = Buffer.concat([
    encodeSynStream(9, encoder.encode(headers)),
    encodeSynReply(9, encoder.encode(new Map())),
    encodeDataHead(9, 3, { fin: true }),
    Buffer.from('abc'),
    encodePing(7),
    encodeRstStream(9, 3),
    encodeGoAway(9, 1),
  ]);
  assert.deepEqual(decode([bytes]), [
    { type: 'synStream', streamId: 9, headers, fin: false, unidirectional: false },
    { type: 'synReply', streamId: 9, headers: new Map(), fin: false },
    { type: 'data', streamId: 9, payload: Buffer.from('abc'), fin: true },
    { type: 'ping', id: 7 },
    { type: 'rstStream', streamId: 9, status: 3 },
    { type: 'goAway', lastStreamId: 9, status: 1 },
  ]);
});

test('settings and window updates are read', () => {
  const bytes = hex('80030004 0000000c 00000001 00000004 00000064 80030009 00000008 00000001 00010000');
  assert.deepEqual(decode([bytes]), [{ type: 'settings' }, { type: 'windowUpdate', streamId: 1, delta: 65536 }]);
});

test('the parts of a large data frame are handed out as they come and end once', () => {
  const frames = decode([
    encodeDataHead(5, 10, { fin: true }),
    Buffer.from('01234'),
    Buffer.from('567'),
    Buffer.from('89'),
  ]);
  const parts = frames.map((frame) =>
    frame.type === 'data' ? [Buffer.from(frame.payload).toString(), frame.fin] : [],
  );
  assert.deepEqual(parts, [
    ['01234', false],
    ['567', false],
    ['89', true],
  ]);
});

test('what breaks the format is a protocol error', () => {
  const broken: Record<string, string> = {
    'data on stream 0': '00000000 00000001 61',
    'an unknown type': '80030005 00000001 00',
    'a control frame above the limit': '80030001 00ffffff',
    'an empty control frame': '80030006 00000000',
    'a short SYN_STREAM': '80030001 00000004 00000001',
    'a SYN_REPLY for stream 0': '80030002 00000014 00000000 78f9e3c6a7c202a6230600000000ffff',
    'a long RST_STREAM': '80030003 00000009 00000001 00000005 00',
    'an RST_STREAM with status 0': '80030003 00000008 00000001 00000000',
    'SETTINGS with more entries than bytes': '80030004 00000004 00000001',
    'PING with id 0': '80030006 00000004 00000000',
    'PING with flags': '80030006 01000004 00000001',
    'GOAWAY with flags': '80030007 01000008 00000000 00000000',
  };
  for (const [what, bytes] of Object.entries(broken)) assert.throws(() => decode([hex(bytes)]), ProtocolError, what);
});

test('mutated input gives frames or a protocol error, and always comes to an end', () => {
  const random = seededRandom(0x5bd1e995);
  const whole = Buffer.concat(recorded);
  for (let round = 0; round < 3000; round++) {
    const bytes = Buffer.from(whole);
    const mutations = 1 + (random() % 6);
    for (let count = 0; count < mutations; count++) bytes[random() % bytes.length] = random() & 0xff;
    const cut = bytes.subarray(0, random() % (bytes.length + 1));
    const at = random() % (cut.length + 1);
    try {
      decode([cut.subarray(0, at), cut.subarray(at)]);
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
    }
  }
});

/** Payloads are copied, because they are views of what was pushed. */
function decode(chunks: readonly Uint8Array[]): SpdyFrame[] {
  const decoder = new SpdyDecoder();
  const frames: SpdyFrame[] = [];
  for (const chunk of chunks) {
    for (const frame of decoder.decode(chunk)) {
      frames.push(frame.type === 'data' ? { ...frame, payload: Buffer.from(frame.payload) } : frame);
    }
  }
  return frames;
}

/** Joins data that came in several parts. The empty frame that ends a stream stays by itself. */
function joinData(frames: readonly SpdyFrame[]): SpdyFrame[] {
  const joined: SpdyFrame[] = [];
  for (const frame of frames) {
    const last = joined.at(-1);
    const continues = frame.type === 'data' && last?.type === 'data' && frame.payload.length > 0;
    if (continues) joined[joined.length - 1] = { ...frame, payload: Buffer.concat([last.payload, frame.payload]) };
    else joined.push(frame);
  }
  return joined;
}

/** xorshift32: the same sequence for the same seed. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
