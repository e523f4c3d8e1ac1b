import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, createInflate } from 'node:zlib';
import { ProtocolError } from '../../lib/protocol-error.ts';
import { spdyDictionary } from './dictionary.ts';
import { HeaderBlockDecoder, HeaderBlockEncoder } from './header-block.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

test('blocks recorded from kubectl are read in order over one window', () => {
  const decoder = new HeaderBlockDecoder();
  const blocks = [
    '78f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45a024cc6461c0c0c0c0590489c44c50e2663400000000ffff',
    '826ac51445350c542e25a29a05000000ffff',
    'c2aad390286700000000ffff',
  ];
  const decoded = blocks.map((block) => Object.fromEntries(decoder.decode(hex(block))));
  assert.deepEqual(decoded, [
    { streamtype: 'error', port: '80', requestid: '0' },
    { requestid: '0', streamtype: 'data', port: '80' },
    { requestid: '1', streamtype: 'error', port: '80' },
  ]);
});

test("blocks of zlib's own encoder are read", () => {
  const decoder = new HeaderBlockDecoder();
  assert.equal(decoder.decode(hex('78f9e3c6a7c202a6230600000000ffff')).size, 0);
  assert.equal(decoder.decode(hex('020100000000ffff')).size, 0);
});

test('what is written is one zlib stream that an ordinary inflater hands out block by block', async () => {
  const encoder = new HeaderBlockEncoder();
  const inflate = createInflate({ dictionary: Buffer.from(spdyDictionary) });
  const sizes: number[] = [];
  inflate.on('data', (chunk: Buffer) => sizes.push(chunk.length));
  for (const headers of [new Map(), new Map([['streamtype', 'error']]), new Map()]) {
    inflate.write(encoder.encode(headers));
    await new Promise<void>((resolve) => inflate.flush(constants.Z_SYNC_FLUSH, resolve));
  }
  inflate.destroy();
  assert.deepEqual(sizes, [4, 4 + 4 + 10 + 4 + 5, 4]);
});

test('what is written can be read, blocks above the window included', () => {
  const encoder = new HeaderBlockEncoder();
  const decoder = new HeaderBlockDecoder();
  for (let round = 0; round < 20; round++) {
    const headers = new Map([
      ['streamtype', 'data'],
      ['filler', String(round).repeat(3000)],
    ]);
    assert.deepEqual(decoder.decode(encoder.encode(headers)), headers);
  }
});

test('a broken block is a protocol error', () => {
  const broken: Record<string, Uint8Array> = {
    empty: hex(''),
    'no sync flush': hex('78f9e3c6a7c202a62306'),
    'another dictionary': hex('78f9e3c6a7c302a6230600000000ffff'),
    'no dictionary': hex('789c02a6230600000000ffff'),
    'not zlib': hex('ffffffffffffffff0000ffff'),
    'broken deflate': Buffer.concat([hex('78f9e3c6a7c2'), hex('ffffffffffff0000ffff')]),
    'bytes behind the pairs': storedFirst(Buffer.concat([hex('00000000'), hex('00')])),
    'a count without pairs': storedFirst(hex('00000001')),
    'too many pairs': storedFirst(hex('7fffffff')),
    'a name longer than the block': storedFirst(hex('00000001000000ff61')),
    'an upper case name': storedFirst(hex('00000001000000014100000000')),
    'a name twice': storedFirst(hex('00000002000000016100000000000000016100000000')),
  };
  for (const [what, block] of Object.entries(broken)) {
    assert.throws(() => new HeaderBlockDecoder().decode(block), ProtocolError, what);
  }
});

test('a block that inflates beyond the limit is a protocol error', () => {
  const encoder = new HeaderBlockEncoder();
  const block = encoder.encode(new Map([['a', 'x'.repeat(70_000)]]));
  assert.throws(() => new HeaderBlockDecoder().decode(block), ProtocolError);
});

/** The first block of a connection with `plain` in it, stored. */
function storedFirst(plain: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(plain.length, 1);
  head.writeUInt16LE(plain.length ^ 0xffff, 3);
  return Buffer.concat([hex('78f9e3c6a7c2'), head, plain, hex('000000ffff')]);
}
