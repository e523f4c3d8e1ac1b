import type { IncomingMessage } from 'node:http';

/** The whole body of an answer. @throws {Error} for one that is too large or that breaks off */
export async function readAnswer(response: IncomingMessage, { maxBytes }: { maxBytes: number }): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`); // the loop's end destroys it
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
