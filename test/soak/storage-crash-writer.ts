/**
 * A process that writes to the store given as its argument as fast as it can, until it is killed. Each acknowledged write is a line
 * on standard output, `<key> <number>` for a put and `<key> deleted` for a deletion, written before anything else happens.
 */
import { writeSync } from 'node:fs';
import { decodeText, encodeText } from '../../src/lib/bytes.ts';
import { createLogger } from '../../src/lib/log.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

const [path] = process.argv.slice(2);
if (!path) throw new Error('Usage: storage-crash-writer <store>');
const store = await openSqliteStore({ path, log: createLogger({ level: 'error' }) });
writeSync(1, 'ready\n');
await Promise.all(Array.from({ length: 32 }, (_, client) => write(`/crash/${client}`)));

/** Counts the key up for ever; now and then deletes it, and compacts. */
async function write(key: string): Promise<void> {
  const { entry } = await store.get(key);
  let number = entry ? Number(decodeText(entry.value).split(' ')[0]) : 0;
  let revision = entry?.modRevision ?? 0;
  while (true) {
    number++;
    revision = await store.put(key, encodeText(`${number} ${'x'.repeat(number % 3000)}`), { expected: revision });
    writeSync(1, `${key} ${number}\n`);
    if (number % 50 === 0) {
      await store.delete(key, { expected: revision });
      writeSync(1, `${key} deleted\n`);
      revision = 0;
    }
    if (number % 400 === 0) await store.compact(Math.max(store.revision - 1000, 0));
  }
}
