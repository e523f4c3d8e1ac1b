import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, gunzipSync } from 'node:zlib';
import { CachedObject } from './cached-object.ts';
import { combineCrc, shiftFor } from './crc32.ts';
import { gzipJsonList, gzipProtobufList } from './gzip-list.ts';
import { encodeJsonList, encodeProtobufList } from './list-encoding.ts';
import type { Shape } from './shape.ts';

const shape: Shape = {
  key: 'test',
  gvk: { group: '', version: 'v1', kind: 'ConfigMap' },
  listGvk: { group: '', version: 'v1', kind: 'ConfigMapList' },
  json: (object) => object.json,
  message: (object) => object.json,
  listItem: (object) => object.json,
};

function objects(count: number): CachedObject[] {
  return Array.from({ length: count }, (_, index) => {
    const stored = Buffer.from(
      JSON.stringify({ kind: 'ConfigMap', metadata: { name: `c${index}` }, data: 'x'.repeat(index) }),
    );
    return new CachedObject({ id: `d/c${index}`, stored, revision: index + 1, createRevision: 1 });
  });
}

test('checksums of parts combine to the checksum of the whole', () => {
  for (const length of [0, 1, 2, 255, 65_536, 1_000_003]) {
    const first = Buffer.from('the first part');
    const second = Buffer.alloc(length, 'abc');
    const combined = combineCrc(crc32(first), crc32(second), shiftFor(length));
    assert.equal(combined, crc32(Buffer.concat([first, second])), `length ${length}`);
  }
});

test('compressed pieces joined are the same list, again and again and in another order', async () => {
  const all = objects(250);
  for (const some of [[], all.slice(0, 1), all, all, all.slice(7), all.toReversed()]) {
    const meta = { resourceVersion: '300' };
    const zipped = Buffer.concat(await gzipJsonList(shape, some, meta));
    assert.deepEqual(gunzipSync(zipped), Buffer.concat(encodeJsonList(shape, some, meta)));
    const protobuf = Buffer.concat(await gzipProtobufList(shape, some, meta));
    assert.deepEqual(gunzipSync(protobuf), Buffer.concat(encodeProtobufList(shape, some, meta)));
  }
});
