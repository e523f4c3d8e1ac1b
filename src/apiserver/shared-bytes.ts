import type { SharedBytes } from './exchange.ts';

const lineEnd = Buffer.from('\r\n');

/** Frames `bytes` as a chunk only when an HTTP/1.1 watcher asks, and only once. */
export class LazyShared implements SharedBytes {
  readonly bytes: Uint8Array;
  #chunk: Uint8Array | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get chunk(): Uint8Array {
    this.#chunk ??= Buffer.concat([Buffer.from(`${this.bytes.length.toString(16)}\r\n`), this.bytes, lineEnd]);
    return this.#chunk;
  }
}
