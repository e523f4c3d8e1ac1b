import type { Readable } from 'node:stream';

/** Size of a terminal in characters. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

const maxPendingSizes = 16;
const maxObjectLength = 1024;

/** As clients write it to the resize stream: one JSON object per line, keys in capitals. */
export function encodeTerminalSize({ width, height }: TerminalSize): string {
  return `${JSON.stringify({ Width: width, Height: height })}\n`;
}

/**
 * The sizes that a resize stream carries. What is not read is kept up to 16 sizes, then the oldest is dropped: only the last one
 * matters. Anything that is no size ends the sequence; so does the end of `source`, whatever its reason.
 */
export function readTerminalSizes(source: Readable): AsyncIterable<TerminalSize> {
  const pending: TerminalSize[] = [];
  let text = '';
  let over = false;
  let wake = () => {};
  const end = () => {
    over = true;
    wake();
  };
  source.on('data', (chunk: Buffer) => {
    if (over) return;
    text += chunk.toString('latin1');
    for (let close = text.indexOf('}'); close >= 0; close = text.indexOf('}')) {
      const size = parseTerminalSize(text.slice(0, close + 1));
      text = text.slice(close + 1);
      if (!size) return end();
      pending.push(size);
      if (pending.length > maxPendingSizes) pending.shift();
    }
    if (text.length > maxObjectLength) return end();
    wake();
  });
  source.once('end', end);
  source.once('close', end);
  return (async function* () {
    while (true) {
      const size = pending.shift();
      if (size) yield size;
      else if (over) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  })();
}

function parseTerminalSize(text: string): TerminalSize | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const entries = Object.entries(value ?? {}).map(([key, side]) => [key.toLowerCase(), side] as const);
    const { width, height } = Object.fromEntries(entries);
    return isUint16(width) && isUint16(height) ? { width, height } : undefined;
  } catch {
    return undefined;
  }
}

function isUint16(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff; // an integer by the first test
}
