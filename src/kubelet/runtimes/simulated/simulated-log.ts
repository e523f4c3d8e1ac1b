import type { LogRequest } from '../runtime.ts';

/** Lines as a client of the log endpoint gets them. A scripted line is as old as its reading. */
export async function* formatSimulatedLog(
  lines: Iterable<string> | AsyncIterable<string>,
  { timestamps, tailLines, limitBytes, follow, signal }: LogRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = limitBytes ?? Number.POSITIVE_INFINITY;
  for await (const line of tailLines === undefined || follow ? lines : await lastOf(lines, tailLines)) {
    if (signal.aborted || left <= 0) return;
    const time = timestamps ? `${new Date().toISOString().slice(0, -1)}000000Z ` : '';
    const bytes = Buffer.from(`${time}${line}\n`);
    yield bytes.subarray(0, Math.min(bytes.length, left));
    left -= bytes.length;
  }
}

async function lastOf(lines: Iterable<string> | AsyncIterable<string>, count: number): Promise<string[]> {
  const last: string[] = [];
  for await (const line of lines) {
    last.push(line);
    if (last.length > count) last.shift();
  }
  return last;
}
