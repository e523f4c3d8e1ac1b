import type { Readable, Writable } from 'node:stream';

/** Longer lines than any message is. */
const maxLineBytes = 4 * 1024 * 1024;

/** Calls back for each line of JSON until the stream ends. @throws {Error} for a line that is none, or too long */
export async function readJsonLines<T>(stream: Readable, each: (message: T) => void): Promise<void> {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineBytes) throw new Error(`a message is longer than ${maxLineBytes} bytes`);
    for (const line of lines) if (line !== '') each(JSON.parse(line) as T); // our own process wrote it
  }
}

export function writeJsonLine<T>(stream: Writable, message: T): void {
  if (stream.writable) stream.write(`${JSON.stringify(message)}\n`);
}
