import { ProtocolError } from '../lib/protocol-error.ts';

/**
 * Cuts a byte stream into lines without their newline. A watch sends one JSON document on each.
 * Empty lines are left out. Holds at most `maxLineBytes` of an unfinished line.
 */
export class LineDecoder {
  readonly #maxLineBytes: number;
  #parts: Buffer[] = [];
  #heldBytes = 0;

  constructor({ maxLineBytes }: { maxLineBytes: number }) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** The lines that `chunk` completes. @throws {ProtocolError} if a line is too long */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = this.#finish(chunk, start, end);
      if (line !== '') lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return lines;
  }

  /** What is left when the stream has ended. */
  get unfinishedBytes(): number {
    return this.#heldBytes;
  }

  #finish(chunk: Buffer, start: number, end: number): string {
    if (this.#heldBytes === 0) return chunk.toString('utf8', start, end);
    this.#hold(chunk.subarray(start, end));
    const line = Buffer.concat(this.#parts, this.#heldBytes).toString('utf8');
    this.#parts = [];
    this.#heldBytes = 0;
    return line;
  }

  #hold(part: Buffer): void {
    this.#heldBytes += part.length;
    if (this.#heldBytes > this.#maxLineBytes)
      throw new ProtocolError(`Line is longer than ${this.#maxLineBytes} bytes`);
    this.#parts.push(part);
  }
}
