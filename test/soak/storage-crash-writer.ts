/**
 * A process that writes to the store given as its argument as fast as it can, until it is killed. Each acknowledged write is a line
 * on standard output, `<key> <number>` for a put and `<key> deleted` for a deletion, written before anything else happens.
 */
import { writeSync } from 'node:fs';
import { decodeText, encodeText } from '../../src/lib/bytes.ts';
import { createLogger } from '../../src/lib/log.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

/** Never woken: what a synchronous pause waits on. */
const pause = new Int32Array(new SharedArrayBuffer(4));
const [path] = process.argv.slice(2);
if (!path) throw new Error('Usage: storage-crash-writer <store>');
const store = await openSqliteStore({ path, log: createLogger({ level: 'error' }) });
say('ready');
await Promise.all(Array.from({ length: 32 }, (_, client) => write(`/crash/${client}`)));

/** Counts the key up for ever; now and then deletes it, and compacts. */
async function write(key: string): Promise<void> {
  const { entry } = await store.get(key);
  let number = entry ? Number(decodeText(entry.value).split(' ')[0]) : 0;
  let revision = entry?.modRevision ?? 0;
  while (true) {
    number++;
    revision = await store.put(key, encodeText(`${number} ${'x'.repeat(number % 3000)}`), { expected: revision });
    say(`${key} ${number}`);
    if (number % 50 === 0) {
      await store.delete(key, { expected: revision });
      say(`${key} deleted`);
      revision = 0;
    }
    if (number % 400 === 0) await store.compact(Math.max(store.revision - 1000, 0));
  }
}

/** Writes the line at once. A reader that is slower than this process makes the pipe say that it is full: then it is tried again. */
function say(line: string): void {
  for (let rest = Buffer.from(`${line}\n`); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}
