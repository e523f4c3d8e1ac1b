import { constants, inflateRawSync } from 'node:zlib';
import { decodeText, encodeText } from '../../lib/bytes.ts';
import { ProtocolError } from '../../lib/protocol-error.ts';
import { spdyDictionary, spdyDictionaryId } from './dictionary.ts';

/** Header names are lower case. Several values of one name are joined by NUL, as on the wire. */
export type SpdyHeaders = ReadonlyMap<string, string>;

const maxBlockBytes = 64 * 1024;
const maxHeaders = 1000;
const windowBytes = 32 * 1024;
const maxStoredBytes = 0xffff;

/**
 * Writes the header blocks of one direction of a connection. A connection has one zlib stream per direction; each block ends
 * at a sync flush (an empty stored block), the only flush that Go's inflater hands data out at. The blocks are stored, not
 * compressed: a Kubernetes block has at most three short headers, and a stored block needs no state between calls.
 * Source: draft-mbelshe-httpbis-spdy-00, "Compression".
 */
export class HeaderBlockEncoder {
  #started = false;

  encode(headers: SpdyHeaders): Uint8Array {
    const parts: Uint8Array[] = [];
    if (!this.#started) parts.push(zlibHeader());
    this.#started = true;
    const block = encodePairs(headers);
    for (let from = 0; from < block.length; from += maxStoredBytes) {
      parts.push(...storedBlock(block.subarray(from, from + maxStoredBytes)));
    }
    parts.push(...storedBlock(new Uint8Array(0)));
    return Buffer.concat(parts);
  }
}

/**
 * Reads the header blocks of one direction. Every block must be decoded in arrival order, also those of refused streams:
 * a block is compressed against the last 32 KiB of all blocks before it.
 */
export class HeaderBlockDecoder {
  #window: Uint8Array = spdyDictionary;
  #started = false;

  /** @throws {ProtocolError} for a block that is broken, too large or not ended by a sync flush */
  decode(block: Uint8Array): SpdyHeaders {
    const plain = this.#inflate(this.#started ? block : skipZlibHeader(block));
    this.#started = true;
    this.#window = Buffer.concat([this.#window, plain]).subarray(-windowBytes);
    return decodePairs(plain);
  }

  #inflate(deflated: Uint8Array): Uint8Array {
    // A sync flush leaves the stream at a byte boundary, so that each block can be inflated by itself over the window.
    const end = Buffer.from(deflated.buffer, deflated.byteOffset, deflated.byteLength).subarray(-4);
    if (end.length < 4 || end.readUInt32BE() !== 0x0000ffff) {
      throw new ProtocolError('SPDY header block does not end with a sync flush');
    }
    try {
      return inflateRawSync(deflated, {
        dictionary: this.#window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: maxBlockBytes,
      });
    } catch (error) {
      throw new ProtocolError('Cannot inflate SPDY header block', { cause: error });
    }
  }
}

function zlibHeader(): Uint8Array {
  const header = Buffer.alloc(6);
  header.writeUInt16BE(0x78f9); // deflate, 32 KiB window, preset dictionary
  header.writeUInt32BE(spdyDictionaryId, 2);
  return header;
}

function skipZlibHeader(block: Uint8Array): Uint8Array {
  const view = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  if (view.length < 6) throw new ProtocolError('First SPDY header block is too short');
  const head = view.readUInt16BE();
  if ((head & 0x0f00) !== 0x0800 || head % 31 !== 0) throw new ProtocolError('First SPDY header block is not zlib');
  if ((head & 0x20) === 0 || view.readUInt32BE(2) !== spdyDictionaryId) {
    throw new ProtocolError('First SPDY header block does not use the SPDY/3 dictionary');
  }
  return view.subarray(6);
}

function storedBlock(bytes: Uint8Array): Uint8Array[] {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(bytes.length ^ 0xffff, 3);
  return bytes.length === 0 ? [head] : [head, bytes];
}

function encodePairs(headers: SpdyHeaders): Uint8Array {
  const parts: Uint8Array[] = [uint32(headers.size)];
  for (const [name, value] of headers) {
    for (const text of [encodeText(name), encodeText(value)]) parts.push(uint32(text.length), text);
  }
  return Buffer.concat(parts);
}

function decodePairs(plain: Uint8Array): SpdyHeaders {
  const view = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  let offset = 0;
  const readLength = () => {
    if (offset + 4 > view.length) throw new ProtocolError('SPDY header block is cut short');
    offset += 4;
    return view.readUInt32BE(offset - 4);
  };
  const readString = () => {
    const length = readLength();
    if (length > view.length - offset) throw new ProtocolError('SPDY header is longer than its block');
    offset += length;
    return decodeText(view.subarray(offset - length, offset));
  };
  const count = readLength();
  if (count > maxHeaders) throw new ProtocolError(`SPDY header block has ${count} headers; the limit is ${maxHeaders}`);
  const headers = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const name = readString();
    if (name === '' || name !== name.toLowerCase()) throw new ProtocolError('SPDY header name is not lower case');
    if (headers.has(name)) throw new ProtocolError('SPDY header name occurs twice');
    headers.set(name, readString());
  }
  if (offset !== view.length) throw new ProtocolError('SPDY header block has bytes behind its headers');
  return headers;
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
