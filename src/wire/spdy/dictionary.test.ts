import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { spdyDictionary, spdyDictionaryId } from './dictionary.ts';

test('the dictionary is the one of SPDY/3', () => {
  assert.equal(spdyDictionary.length, 1423);
  assert.equal(adler32(spdyDictionary), spdyDictionaryId);
  assert.equal(crc32(spdyDictionary), 0x04c8490e);
  const hash = createHash('sha256').update(spdyDictionary).digest('hex');
  assert.equal(hash, '51d27341373f923f3cd88e1eb7162aeaa3723d7585ff2399201dc06498407f02');
});

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}
