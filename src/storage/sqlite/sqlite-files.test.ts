import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { decodeText, encodeText } from '../../lib/bytes.ts';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { ManualClock } from '../manual-clock.ts';
import type { Store } from '../store.ts';
import { openSqliteStore } from './sqlite-store.ts';

const root = await mkdtemp(join(tmpdir(), 'fairlead-store-files-'));
after(() => rm(root, { recursive: true }));
let stores = 0;

const newPath = () => join(root, `${stores++}`, 'store.db');
const open = (path: string) => openSqliteStore({ path, log: silentLogger });

test('directory and files are for their owner alone', async () => {
  const path = newPath();
  await using store = await open(path);
  await store.put('/a', encodeText('1'));
  assert.equal((await stat(dirname(path))).mode & 0o777, 0o700);
  const files = await readdir(dirname(path));
  assert.ok(files.includes('store.db') && files.includes('store.db-wal'));
  for (const file of files) assert.equal((await stat(join(dirname(path), file))).mode & 0o777, 0o600, file);
});

test('a store that is opened again has its entries, revision, history and compacted revision', async () => {
  const path = newPath();
  {
    await using store = await open(path);
    for (const value of ['1', '2', '3', '4']) await store.put('/a', encodeText(value));
    await store.put('/b', encodeText('1'));
    await store.compact(3);
  }
  await using store = await open(path);
  assert.deepEqual([store.revision, store.compactedRevision], [6, 3]);
  const old = await store.range({ start: '/', end: '0', revision: 4 });
  assert.deepEqual(
    old.entries.map(({ value }) => decodeText(value)),
    ['3'],
  );
  for await (const events of store.watch({ prefix: '/', after: 3 })) {
    assert.equal(events.length, 3);
    break;
  }
  assert.equal(await store.put('/a', encodeText('5'), { expected: 5 }), 7);
});

test('a revision is never given twice, even when its write was compacted away', async () => {
  const path = newPath();
  {
    await using store = await open(path);
    await store.put('/a', encodeText('1'));
    await store.delete('/a');
    await store.compact(3);
  }
  await using store = await open(path);
  assert.equal(store.revision, 3);
  assert.equal(await store.put('/a', encodeText('1'), { expected: 0 }), 4);
});

test('a lease goes on where it was when the store is opened again', async () => {
  const path = newPath();
  const clock = new ManualClock();
  {
    await using store = await openSqliteStore({ path, log: silentLogger, clock });
    const lease = await store.grantLease(60);
    await store.put('/a', encodeText('1'), { leaseId: lease.id });
    await store.put('/b', encodeText('1'));
  }
  clock.advance(40_000);
  await using store = await openSqliteStore({ path, log: silentLogger, clock });
  assert.ok((await store.get('/a')).entry);
  const deleted = nextEvents(store);
  clock.advance(20_000);
  const [event] = await deleted;
  assert.ok(event?.type === 'delete' && event.key === '/a');
  assert.ok((await store.get('/b')).entry);
});

test('a lease that ran out while the store was closed is over at once', async () => {
  const path = newPath();
  const clock = new ManualClock();
  {
    await using store = await openSqliteStore({ path, log: silentLogger, clock });
    const lease = await store.grantLease(60);
    await store.put('/a', encodeText('1'), { leaseId: lease.id });
  }
  clock.advance(100_000);
  await using store = await openSqliteStore({ path, log: silentLogger, clock });
  const deleted = nextEvents(store);
  clock.advance(0);
  assert.equal((await deleted)[0]?.type, 'delete');
});

test('a lease with more keys than one step deletes is deleted whole', async () => {
  const clock = new ManualClock();
  await using store = await openSqliteStore({ path: newPath(), log: silentLogger, clock });
  const lease = await store.grantLease(10);
  const total = 1200;
  const puts = Array.from({ length: total }, (_, at) => store.put(`/a/${at}`, encodeText('1'), { leaseId: lease.id }));
  await Promise.all(puts);
  clock.advance(10_000);
  let deleted = 0;
  for await (const events of store.watch({ prefix: '/a/', after: total + 1 })) {
    deleted += events.length;
    if (deleted === total) break;
  }
  assert.equal((await store.range({ start: '/', end: '0' })).count, 0);
});

test('a second process is refused with the id of the first, and may open after a kill', async () => {
  const path = newPath();
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(new URL('sqlite-store.ts', import.meta.url).href)});
    const { silentLogger } = await import(${JSON.stringify(new URL('../../lib/log.ts', import.meta.url).href)});
    await openSqliteStore({ path: process.argv[1], log: silentLogger });
    console.log('open');
  `;
  const holder = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(holder, 'exit');
  await Promise.race([once(holder.stdout, 'data'), exited.then(() => assert.fail('the holder ended'))]);
  await assert.rejects(open(path), {
    name: 'StoreError',
    reason: 'Locked',
    message: `Store ${path} is in use by process ${holder.pid}`,
  });
  holder.kill('SIGKILL');
  await exited;
  await using store = await open(path);
  await store.put('/a', encodeText('1'));
});

test('a second store on the same file in the same process is refused, and does not loosen the lock', async () => {
  const path = newPath();
  await using store = await open(path);
  const message = `Store ${path} is in use by process ${process.pid}`;
  await assert.rejects(open(path), { reason: 'Locked', message });
  await assert.rejects(open(path), { reason: 'Locked', message });
  await store.put('/a', encodeText('1'));
  const child = spawn(process.execPath, ['--no-warnings', '-e', lockProbe, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert.equal((await text(child.stdout)).trim(), 'database is locked');
});

/** Tries to take the store's lock as another process would. */
const lockProbe = `
  const { DatabaseSync } = require('node:sqlite');
  try { new DatabaseSync(process.argv[1] + '.lock').exec('BEGIN EXCLUSIVE'); console.log('free'); }
  catch (error) { console.log(error.message); }
`;

test('files that are no store of this format are refused and left as they are', async (t) => {
  const cases = {
    text: { reason: 'Corrupt', make: (path: string) => writeFile(path, 'not a database at all\n'.repeat(100)) },
    'a short file': { reason: 'Corrupt', make: (path: string) => writeFile(path, 'x') },
    zeros: { reason: 'Corrupt', make: (path: string) => writeFile(path, Buffer.alloc(8192)) },
    "another program's database": {
      reason: 'Corrupt',
      make: async (path: string) => editDatabase(path, 'CREATE TABLE other (id INTEGER)'),
    },
    'a store cut short': {
      reason: 'Corrupt',
      make: async (path: string) => {
        await fill(path);
        await truncate(path, 6000);
      },
    },
    'a store whose first pages are overwritten': {
      reason: 'Corrupt',
      make: async (path: string) => {
        await fill(path);
        const bytes = await readFile(path);
        await writeFile(path, bytes.fill(0xa5, 100, 30_000));
      },
    },
    'a store of a later format': {
      reason: 'NewerFormat',
      make: async (path: string) => {
        await fill(path);
        editDatabase(path, 'PRAGMA user_version = 2');
      },
    },
  };
  for (const [name, { reason, make }] of Object.entries(cases)) {
    await t.test(name, async () => {
      const directory = await mkdtemp(join(root, 'refused-'));
      const path = join(directory, 'store.db');
      await make(path);
      const before = await readFile(path);
      await assert.rejects(open(path), { name: 'StoreError', reason });
      await assert.rejects(open(path), { name: 'StoreError', reason });
      assert.ok(before.equals(await readFile(path)), 'the file was changed');
    });
  }
});

test('a store whose disk is full refuses every later call, and has what it acknowledged', async () => {
  const path = newPath();
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(new URL('sqlite-store.ts', import.meta.url).href)});
    const { silentLogger } = await import(${JSON.stringify(new URL('../../lib/log.ts', import.meta.url).href)});
    const store = await openSqliteStore({ path: process.argv[1], log: silentLogger });
    const reasons = [];
    const note = (error) => reasons.push(error.reason);
    const watch = (async () => { for await (const _ of store.watch({ prefix: '/', after: 1 })); })().catch(note);
    let acknowledged = 0;
    try { while (true) { await store.put('/a', new Uint8Array(20000)); acknowledged++; } } catch (error) { note(error); }
    await store.put('/b', new Uint8Array(1)).catch(note);
    await store.get('/b').catch(note);
    await store.range({ start: '/', end: '0' }).catch(note);
    await watch;
    await store[Symbol.asyncDispose]();
    console.log(JSON.stringify({ acknowledged, reasons }));
  `;
  // A limit on the size of files is what a full disk looks like from within.
  const limited = spawn(
    'sh',
    [
      '-c',
      'ulimit -f 600; exec "$@"',
      'sh',
      process.execPath,
      '--no-warnings',
      '--input-type=module',
      '-e',
      script,
      path,
    ],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const result = JSON.parse(await text(limited.stdout));
  assert.deepEqual(result.reasons, ['Failed', 'Failed', 'Failed', 'Failed', 'Failed']);
  assert.ok(result.acknowledged > 0);
  await using store = await open(path);
  assert.ok(((await store.get('/a')).entry?.version ?? 0) >= result.acknowledged);
});

test('history beyond its bound is forgotten early, and the entries stay', async () => {
  await using store = await openSqliteStore({ path: newPath(), log: silentLogger, maxHistoryRevisions: 1000 });
  while (store.compactedRevision < 1500) {
    await Promise.all(Array.from({ length: 100 }, (_, at) => store.put(`/a/${at % 20}`, new Uint8Array(10))));
  }
  assert.equal((await store.range({ start: '/', end: '0' })).count, 20);
  await assert.rejects(store.range({ start: '/', end: '0', revision: 1000 }), { reason: 'Compacted' });
});

test('metrics count calls and show the size of the file', async () => {
  const metrics = new Metrics();
  await using store = await openSqliteStore({ path: newPath(), log: silentLogger, metrics });
  await store.put('/a', encodeText('1'));
  await store.put('/b', encodeText('1'));
  await store.get('/a');
  const page = await metrics.render();
  assert.match(page, /fairlead_store_operations_total\{operation="put"\} 2/);
  assert.match(page, /fairlead_store_operations_total\{operation="get"\} 1/);
  assert.match(page, /fairlead_store_queued_writes 0/);
  assert.match(page, /fairlead_store_commit_duration_seconds_count 2/);
  assert.match(page, /apiserver_storage_size_bytes\{storage_cluster_id="embedded"\} [1-9]\d{3,}/);
});

async function fill(path: string): Promise<void> {
  await using store = await open(path);
  await Promise.all(Array.from({ length: 200 }, (_, at) => store.put(`/a/${at}`, new Uint8Array(500))));
}

function editDatabase(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

async function nextEvents(store: Store) {
  for await (const events of store.watch({ prefix: '/', after: store.revision })) return events;
  throw new Error('unreachable: a watch ends only with an error');
}
