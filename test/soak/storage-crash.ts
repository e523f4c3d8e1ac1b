import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text as readText } from 'node:stream/consumers';
import { decodeText } from '../../src/lib/bytes.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

/** What is known of a key: the number that was acknowledged last, and whether it was deleted after that. */
interface Acknowledged {
  readonly number: number;
  readonly deleted: boolean;
}

/** Kills a writer in full write, `rounds` times on one store, and checks after each that nothing acknowledged is lost. */
export async function crashRounds(rounds: number): Promise<{ acknowledged: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-crash-'));
  const path = join(directory, 'store.db');
  const known = new Map<string, Acknowledged>();
  let acknowledged = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const lines = await writeUntilKilled(path, { lines: 500 + round * 300 });
      for (const line of lines) {
        const [key = '', state = ''] = line.split(' ');
        const deleted = state === 'deleted';
        known.set(key, { number: deleted ? (known.get(key)?.number ?? 0) : Number(state), deleted });
      }
      acknowledged += lines.length;
      await checkStore(path, known);
    }
    const database = new DatabaseSync(path, { readOnly: true });
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok');
    database.close();
  } finally {
    await rm(directory, { recursive: true });
  }
  return { acknowledged };
}

/** @returns the acknowledgements that got out before the kill */
async function writeUntilKilled(path: string, options: { lines: number }): Promise<string[]> {
  const script = new URL('storage-crash-writer.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'close');
  const errors = readText(child.stderr);
  let output = '';
  let count = 0;
  child.stdout.setEncoding('latin1').on('data', (chunk: string) => {
    output += chunk;
    count += chunk.split('\n').length - 1;
    if (count > options.lines) child.kill('SIGKILL');
  });
  const [, signal] = await exited;
  assert.equal(signal, 'SIGKILL', `The writer ended by itself: ${await errors}`);
  const lines = output.split('\n');
  assert.equal(lines.shift(), 'ready');
  lines.pop(); // nothing, or a line that was cut off
  return lines;
}

async function checkStore(path: string, known: Map<string, Acknowledged>): Promise<void> {
  await using store = await openSqliteStore({ path, log: silentLogger });
  const { entries } = await store.range({ start: '/crash/', end: '/crash0' });
  const stored = new Map(entries.map((entry) => [entry.key, Number(decodeText(entry.value).split(' ')[0])]));
  for (const [key, { number, deleted }] of known) {
    const found = stored.get(key);
    if (found === undefined) {
      // Either the deletion was acknowledged, or it was under way: only multiples of 50 are deleted.
      assert.ok(deleted || number % 50 === 0, `${key}: acknowledged ${number} is lost`);
    } else {
      assert.ok(deleted ? found > number : found >= number, `${key}: acknowledged ${number}, found ${found}`);
    }
    if (found === undefined)
      known.delete(key); // the next writer begins at 1
    else known.set(key, { number: found, deleted: false });
  }
}
