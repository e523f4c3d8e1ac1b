import { constants, crc32, deflateRawSync } from 'node:zlib';
import { encodeText } from '../lib/bytes.ts';
import { protobufListFrame } from '../wire/object-protobuf.ts';
import type { CachedObject } from './cached-object.ts';
import { combineCrc, shiftFor } from './crc32.ts';
import { type ListMeta, listHead, listTail } from './list-encoding.ts';
import type { Shape } from './shape.ts';

/** A piece of a gzip stream that can stand behind any other: whole deflate blocks that refer to nothing before them. */
interface Block {
  readonly bytes: Uint8Array;
  readonly crc: number;
  readonly shift: number;
  readonly length: number;
}

/** Objects compressed before the server looks after others again: each takes some 50 µs the first time. */
const turnObjects = 100;

/**
 * A JSON list as gzip. Each object is compressed once, on its own, and kept so; a list joins the pieces and combines their checksums,
 * which takes no longer than joining plain bytes.
 */
export async function gzipJsonList(
  shape: Shape,
  objects: readonly CachedObject[],
  meta: ListMeta,
): Promise<Uint8Array[]> {
  const key = `gzip json ${shape.key}`;
  // The comma goes with its object, except with the first one.
  const blocks = await compressAll(objects, key, (object) => Buffer.concat([comma, shape.json(object)]));
  const [first] = objects;
  if (first) blocks[0] = first.derive(`first ${key}`, () => compress(shape.json(first)));
  return join([compress(encodeText(listHead(shape, meta))), ...blocks, compressedTail]);
}

/** The same in protobuf. */
export async function gzipProtobufList(
  shape: Shape,
  objects: readonly CachedObject[],
  listMeta: ListMeta,
): Promise<Uint8Array[]> {
  const blocks = await compressAll(objects, `gzip protobuf ${shape.key}`, (object) => shape.listItem(object));
  const itemsLength = blocks.reduce((sum, { length }) => sum + length, 0);
  const { head, tail } = protobufListFrame(shape.listGvk, { listMeta, itemsLength });
  return join([compress(head), ...blocks, compress(tail)]);
}

const comma = encodeText(',');
/** Magic, deflate, no flags, no time, fastest, Unix. */
const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3);
/** An empty last block. */
const end = Uint8Array.of(3, 0);

async function compressAll(
  objects: readonly CachedObject[],
  key: string,
  bytesOf: (object: CachedObject) => Uint8Array,
): Promise<Block[]> {
  const blocks: Block[] = [];
  let fresh = 0;
  for (const object of objects) {
    blocks.push(
      object.derive(key, () => {
        fresh++;
        return compress(bytesOf(object));
      }),
    );
    if (fresh < turnObjects) continue;
    fresh = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return blocks;
}

function compress(bytes: Uint8Array): Block {
  const { length } = bytes;
  const zipped = deflateRawSync(bytes, { level: 1, memLevel: 8, windowBits: 13, finishFlush: constants.Z_FULL_FLUSH });
  // A copy of its own size: cached for long, it must not keep zlib's larger buffer alive.
  return { bytes: Uint8Array.from(zipped), crc: crc32(bytes), shift: shiftFor(length), length };
}

const compressedTail = compress(listTail);

function join(blocks: readonly Block[]): Uint8Array[] {
  let crc = 0;
  let length = 0;
  const parts: Uint8Array[] = [header];
  for (const block of blocks) {
    crc = combineCrc(crc, block.crc, block.shift);
    length += block.length;
    parts.push(block.bytes);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc, 0);
  trailer.writeUInt32LE(length % 2 ** 32, 4);
  parts.push(end, trailer);
  return parts;
}
