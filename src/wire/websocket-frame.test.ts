import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBinaryHead } from './websocket-frame.ts';

test('a length is written in the shortest of its three forms', () => {
  const written = [0, 125, 126, 0xffff, 0x1_0000, 0x1_0001_0002].map((length) =>
    Buffer.from(encodeBinaryHead(length)).toString('hex'),
  );
  assert.deepEqual(written, ['8200', '827d', '827e007e', '827effff', '827f0000000000010000', '827f0000000100010002']);
});
