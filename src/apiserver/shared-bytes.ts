import type { SharedBytes } from './exchange.ts';

const lineEnd = Buffer.from('\r\n');

/** Frames its parts as a chunk only when an HTTP/1.1 watcher asks, and only once. */
export class LazyShared implements SharedBytes {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
  #chunk: readonly Uint8Array[] | undefined;

  constructor(...parts: readonly Uint8Array[]) {
    this.parts = parts;
    this.length = byteLength(parts);
  }

  get chunk(): readonly Uint8Array[] {
    if (!this.#chunk) {
      const framed = [Buffer.from(`${this.length.toString(16)}\r\n`), ...this.parts, lineEnd];
      // Small ones go to many watchers: one buffer is quicker for each of them.
      this.#chunk = this.parts.length === 1 ? [Buffer.concat(framed)] : framed;
    }
    return this.#chunk;
  }
}

export function byteLength(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}
