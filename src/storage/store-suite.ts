/**
 * What every engine must hold, as tests: see `Store`. An engine's test file is one call of `storeSuite`.
 * Long because it is the contract, one test for each sentence of it.
 */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { decodeText, encodeText } from '../lib/bytes.ts';
import type { Clock } from '../lib/clock.ts';
import { ManualClock } from './manual-clock.ts';
import type { Entry, RangeRequest, Store, StoreEvent } from './store.ts';
import { prefixEnd, StoreError } from './store.ts';

export interface SuiteOptions {
  readonly clock?: Clock;
  readonly maxValueBytes?: number;
}

const pods = '/registry/pods/';

export function storeSuite(engine: string, open: (options?: SuiteOptions) => Promise<Store>): void {
  const suite = (name: string, body: (store: Store) => Promise<void>) =>
    test(`${engine}: ${name}`, async () => {
      await using store = await open();
      await body(store);
    });

  suite('an empty store is at revision 1 and shows nothing', async (store) => {
    assert.equal(store.revision, 1);
    assert.deepEqual(await store.get(`${pods}a`), { revision: 1, entry: undefined });
    assert.deepEqual(await store.range(under(pods)), { revision: 1, entries: [], count: 0, more: false });
  });

  suite('each write adds one to the revision and stamps its key', async (store) => {
    assert.equal(await put(store, 'a', '1'), 2);
    assert.equal(await put(store, 'b', '1'), 3);
    assert.equal(await put(store, 'a', '2'), 4);
    const { revision, entry } = await store.get(`${pods}a`);
    assert.equal(revision, 4);
    assert.equal(store.revision, 4);
    assert.deepEqual(
      { ...entry, value: text(entry) },
      { key: `${pods}a`, value: '2', createRevision: 2, modRevision: 4, version: 2, leaseId: undefined },
    );
  });

  suite('a put at the current revision writes, at a stale one it conflicts and writes nothing', async (store) => {
    const created = await put(store, 'a', '1', 0);
    await put(store, 'a', '2', created);
    const stale = await refusal(put(store, 'a', '3', created));
    assert.equal(stale.reason, 'Conflict');
    assert.equal(text(stale.current), '2');
    assert.equal(stale.current?.modRevision, 3);
    assert.equal(text((await store.get(`${pods}a`)).entry), '2');
    assert.equal(store.revision, 3);
  });

  suite('a put that expects nothing conflicts with what is there', async (store) => {
    await put(store, 'a', '1', 0);
    assert.equal((await refusal(put(store, 'a', '2', 0))).reason, 'Conflict');
  });

  suite('a put that expects a revision conflicts when the key is gone', async (store) => {
    const stale = await refusal(put(store, 'a', '1', 7));
    assert.equal(stale.reason, 'Conflict');
    assert.equal(stale.current, undefined);
    assert.equal(store.revision, 1);
  });

  suite('of many puts at one revision that are asked for at once exactly one writes', async (store) => {
    const created = await put(store, 'a', '0', 0);
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, id) => put(store, 'a', `${id}`, created)));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal(store.revision, 3);
  });

  suite('a delete returns what it deleted and takes a revision', async (store) => {
    const created = await put(store, 'a', '1');
    const { revision, previous } = await store.delete(`${pods}a`, { expected: created });
    assert.equal(revision, 3);
    assert.equal(text(previous), '1');
    assert.equal(previous.modRevision, created);
    assert.equal((await store.get(`${pods}a`)).entry, undefined);
  });

  suite('a delete at a stale revision conflicts, of a missing key it finds nothing', async (store) => {
    const created = await put(store, 'a', '1');
    await put(store, 'a', '2');
    const stale = await refusal(store.delete(`${pods}a`, { expected: created }));
    assert.equal(stale.reason, 'Conflict');
    assert.equal(text(stale.current), '2');
    assert.equal((await refusal(store.delete(`${pods}b`))).reason, 'NotFound');
    assert.equal((await refusal(store.delete(`${pods}b`, { expected: 3 }))).reason, 'NotFound');
    await store.delete(`${pods}a`);
    assert.equal((await refusal(store.delete(`${pods}a`))).reason, 'NotFound');
  });

  suite('a key that is created again begins at version 1', async (store) => {
    await put(store, 'a', '1');
    await store.delete(`${pods}a`);
    await put(store, 'a', '2', 0);
    const { entry } = await store.get(`${pods}a`);
    assert.deepEqual([entry?.createRevision, entry?.modRevision, entry?.version], [4, 4, 1]);
  });

  suite('empty, binary and 2 MiB values come back as they were', async (store) => {
    const large = new Uint8Array(2 * 1024 * 1024).map((_, index) => index * 31);
    for (const value of [new Uint8Array(), Uint8Array.of(0, 255, 128, 10), large]) {
      await store.put(`${pods}a`, value);
      const [entry] = (await store.range(under(pods))).entries;
      assert.ok(entry && Buffer.compare(entry.value, value) === 0);
    }
  });

  suite('a value that is part of a larger buffer is stored alone', async (store) => {
    const buffer = encodeText('before-value-after');
    await store.put(`${pods}a`, buffer.subarray(7, 12));
    assert.equal(text((await store.range(under(pods))).entries[0]), 'value');
  });

  test(`${engine}: a value beyond the limit is refused`, async () => {
    await using store = await open({ maxValueBytes: 10 });
    await store.put('/a', new Uint8Array(10));
    assert.equal((await refusal(store.put('/a', new Uint8Array(11)))).reason, 'TooLarge');
    await using usual = await open();
    assert.equal((await refusal(usual.put('/a', new Uint8Array(3 * 1024 * 1024 + 1)))).reason, 'TooLarge');
  });

  suite('a range is in byte order, with its start and without its end', async (store) => {
    for (const name of ['b', 'a/2', 'a', 'a-1', 'c', 'Z', 'ä', 'a/10', 'b\0']) await put(store, name, name);
    const all = await names(store, under(pods));
    assert.deepEqual(all, ['Z', 'a', 'a-1', 'a/10', 'a/2', 'b', 'b\0', 'c', 'ä']);
    assert.deepEqual(await names(store, { start: `${pods}a`, end: `${pods}b` }), ['a', 'a-1', 'a/10', 'a/2']);
    assert.deepEqual(await names(store, { start: `${pods}b\0`, end: `${pods}c` }), ['b\0']);
  });

  suite('neighbouring prefixes do not mix', async (store) => {
    for (const key of ['/registry/pods/a', '/registry/pods0/a', '/registry/podtemplates/a', '/registry/pod/a']) {
      await store.put(key, encodeText('1'));
    }
    assert.deepEqual(await names(store, under(pods)), ['a']);
  });

  suite('a range with a limit says that there is more, and counts all', async (store) => {
    for (let index = 0; index < 10; index++) await put(store, `${index}`, 'v');
    await store.delete(`${pods}4`);
    const first = await store.range({ ...under(pods), limit: 4 });
    assert.deepEqual([first.entries.length, first.count, first.more], [4, 9, true]);
    const rest = await store.range({ start: `${first.entries.at(-1)?.key}\0`, end: prefixEnd(pods), limit: 5 });
    assert.deepEqual([rest.entries.length, rest.count, rest.more], [5, 5, false]);
    assert.equal(rest.entries[0]?.key, `${pods}5`);
  });

  suite('pages at an old revision show the state of that revision', async (store) => {
    for (let index = 0; index < 6; index++) await put(store, `${index}`, 'old');
    const { revision } = store;
    await store.delete(`${pods}3`);
    await put(store, '4', 'new');
    await put(store, '35', 'new');
    const expected = ['0', '1', '2', '3', '4', '5'];
    const seen: string[] = [];
    for (let start = pods; ; ) {
      const page = await store.range({ start, end: prefixEnd(pods), limit: 2, revision });
      assert.equal(page.count, expected.length - seen.length);
      assert.deepEqual(page.entries.map(text), ['old', 'old']);
      seen.push(...page.entries.map(name));
      if (!page.more) break;
      start = `${page.entries.at(-1)?.key}\0`;
    }
    assert.deepEqual(seen, expected);
    assert.deepEqual(await names(store, under(pods)), ['0', '1', '2', '35', '4', '5']);
  });

  suite('a range of thousands of entries is whole', async (store) => {
    const count = 3000;
    await Promise.all(Array.from({ length: count }, (_, index) => put(store, `${index}`.padStart(5, '0'), `${index}`)));
    const all = await store.range(under(pods));
    assert.deepEqual([all.entries.length, all.count, all.more], [count, count, false]);
    assert.ok(all.entries.every((entry, index) => text(entry) === `${index}`));
    const limited = await store.range({ ...under(pods), limit: 2000 });
    assert.deepEqual([limited.entries.length, limited.count, limited.more], [2000, count, true]);
  });

  suite('a range at a revision to come is refused', async (store) => {
    await put(store, 'a', '1');
    assert.equal((await refusal(store.range({ ...under(pods), revision: 3 }))).reason, 'FutureRevision');
    assert.equal((await refusal(store.compact(3))).reason, 'FutureRevision');
  });

  suite('a watch hears each write to its prefix once and in order, with what was before', async (store) => {
    const watch = store.watch({ prefix: pods, after: store.revision });
    const heard = collect(watch, 4);
    await put(store, 'a', '1');
    await store.put('/registry/nodes/n', encodeText('x'));
    await put(store, 'a', '2');
    await store.delete(`${pods}a`);
    await put(store, 'a', '3');
    assert.deepEqual((await heard).map(tell), ['2 put a=1', '4 put a=2 was 1', '5 delete a was 2', '6 put a=3']);
  });

  suite('a watch from the past tells history first and then goes on without a gap', async (store) => {
    const total = 400;
    const write = async () => {
      for (let index = 0; index < total; index++) await put(store, `${index % 7}`, `${index}`);
    };
    const writing = write();
    while (store.revision < 100) await new Promise((resolve) => setImmediate(resolve));
    const watches = [0, 1, 50, 99].map(async (after) => {
      const wanted = total + 1 - Math.max(after, 1);
      const revisions = (await collect(store.watch({ prefix: pods, after }), wanted)).map(revisionOf);
      assert.deepEqual(
        revisions,
        Array.from({ length: wanted }, (_, index) => Math.max(after, 1) + 1 + index),
      );
    });
    await Promise.all([writing, ...watches]);
  });

  suite('history of a watch carries what was before, too', async (store) => {
    await put(store, 'a', '1');
    await put(store, 'a', '2');
    await store.delete(`${pods}a`);
    const events = await collect(store.watch({ prefix: pods, after: 2 }), 2);
    assert.deepEqual(events.map(tell), ['3 put a=2 was 1', '4 delete a was 2']);
  });

  suite('a long history is told whole', async (store) => {
    const total = 2500;
    await Promise.all(Array.from({ length: total }, (_, index) => put(store, `${index}`, 'v')));
    const events = await collect(store.watch({ prefix: pods, after: 1 }), total);
    assert.deepEqual(
      events.map(revisionOf),
      Array.from({ length: total }, (_, index) => index + 2),
    );
  });

  suite('a watch from a revision to come skips what is before it', async (store) => {
    const heard = collect(store.watch({ prefix: pods, after: 3 }), 1);
    await put(store, 'a', '1');
    await put(store, 'b', '1');
    await put(store, 'c', '1');
    assert.deepEqual((await heard).map(tell), ['4 put c=1']);
  });

  suite('a write has been told when its promise resolves', async (store) => {
    const heard = collect(store.watch({ prefix: pods, after: store.revision }), 1);
    const revision = await put(store, 'a', '1');
    assert.equal(store.revision, revision);
    assert.equal((await heard).map(revisionOf)[0], revision);
  });

  suite('a watch whose consumer is too slow ends with Overrun', async (store) => {
    const iterator = store.watch({ prefix: pods, after: 1, maxQueuedEvents: 5 })[Symbol.asyncIterator]();
    const first = iterator.next();
    await put(store, '0', 'v');
    assert.equal((await first).value?.length, 1);
    for (let index = 0; index < 6; index++) await put(store, `${index}`, 'v');
    assert.equal((await refusal(iterator.next())).reason, 'Overrun');
    assert.equal((await iterator.next()).done, true);
  });

  suite('aborting a watch rejects with the reason, whether it waits or not', async (store) => {
    const controller = new AbortController();
    const waiting = collect(store.watch({ prefix: pods, after: 1, signal: controller.signal }), 1);
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(waiting, reason);
    await assert.rejects(collect(store.watch({ prefix: pods, after: 1, signal: controller.signal }), 1), reason);
  });

  suite('a watch that was left hears no more, and others go on', async (store) => {
    const controller = new AbortController();
    const left = store.watch({ prefix: pods, after: 1, signal: controller.signal });
    const heard = collect(store.watch({ prefix: pods, after: 1 }), 3);
    const first = collect(left, 1);
    for (const value of ['1', '2', '3']) await put(store, 'a', value);
    assert.equal((await first).length, 1);
    assert.equal((await heard).length, 3);
    assert.equal(countListeners(controller.signal), 0);
  });

  suite('compaction keeps the newest state of each key and refuses older ranges and watches', async (store) => {
    await put(store, 'a', '1');
    await put(store, 'b', '1');
    await put(store, 'a', '2');
    await store.delete(`${pods}b`);
    await put(store, 'c', '1');
    await store.compact(5);
    assert.equal(store.compactedRevision, 5);
    assert.equal((await refusal(store.range({ ...under(pods), revision: 4 }))).reason, 'Compacted');
    assert.equal((await refusal(collect(store.watch({ prefix: pods, after: 4 }), 1))).reason, 'Compacted');
    assert.deepEqual(await names(store, { ...under(pods), revision: 5 }), ['a']);
    assert.deepEqual((await collect(store.watch({ prefix: pods, after: 5 }), 1)).map(tell), ['6 put c=1']);
    assert.deepEqual(await names(store, under(pods)), ['a', 'c']);
    assert.equal(text((await store.get(`${pods}a`)).entry), '2');
  });

  suite('compacting to where it is already, or before, does nothing', async (store) => {
    await put(store, 'a', '1');
    await put(store, 'a', '2');
    await store.compact(3);
    await store.compact(3);
    await store.compact(2);
    assert.equal(store.compactedRevision, 3);
  });

  suite('history after a compaction still knows what was before', async (store) => {
    await put(store, 'a', '1');
    await put(store, 'a', '2');
    await store.compact(3);
    await put(store, 'a', '3');
    assert.deepEqual((await collect(store.watch({ prefix: pods, after: 3 }), 1)).map(tell), ['4 put a=3 was 2']);
  });

  suite('a key deleted before a compaction can be created again', async (store) => {
    await put(store, 'a', '1');
    await store.delete(`${pods}a`);
    await store.compact(3);
    assert.equal((await store.get(`${pods}a`)).entry, undefined);
    await put(store, 'a', '2', 0);
    await store.compact(4);
    assert.deepEqual(await names(store, under(pods)), ['a']);
    assert.equal((await store.range({ ...under(pods), limit: 1 })).count, 1);
  });

  suite('random writes and compactions leave what a plain map holds', async (store) => {
    const model = new Map<string, string>();
    const states = new Map<number, string[]>();
    let seed = 42;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    for (let step = 0; step < 600; step++) {
      const key = `${random(40)}`.padStart(2, '0');
      if (random(3) === 0 && model.has(key)) {
        await store.delete(`${pods}${key}`);
        model.delete(key);
      } else {
        await put(store, key, `${step}`);
        model.set(key, `${step}`);
      }
      states.set(store.revision, [...model].map(([name, value]) => `${name}=${value}`).sort());
      if (step % 150 === 149) await store.compact(store.revision - 100);
    }
    for (const [revision, expected] of states) {
      if (revision < store.compactedRevision || revision % 7 !== 0) continue;
      const { entries, count } = await store.range({ ...under(pods), revision });
      assert.deepEqual(
        entries.map((entry) => `${name(entry)}=${text(entry)}`),
        expected,
      );
      assert.equal(count, expected.length);
    }
  });

  test(`${engine}: history is compacted by itself, but never less than 5 minutes and 1000 revisions`, async () => {
    const clock = new ManualClock();
    await using store = await open({ clock });
    await Promise.all(Array.from({ length: 1500 }, (_, index) => put(store, `${index % 10}`, 'v')));
    clock.advance(300_000);
    await turns();
    assert.ok(store.compactedRevision <= 1, 'young history was dropped');
    await put(store, 'a', '1');
    clock.advance(300_000);
    await until(() => store.compactedRevision >= store.revision - 1000);
    assert.equal(store.compactedRevision, store.revision - 1000);
  });

  test(`${engine}: keys of a lease are deleted when it expires, each as a write of its own`, async () => {
    const clock = new ManualClock();
    await using store = await open({ clock });
    const lease = await store.grantLease(60);
    assert.equal(lease.ttlSeconds, 60);
    const { revision } = store;
    for (const key of ['a', 'b', 'c', 'd']) await store.put(`${pods}${key}`, encodeText('1'), { leaseId: lease.id });
    await put(store, 'free', '1');
    await put(store, 'c', '2'); // without the lease: no longer its key
    await store.delete(`${pods}d`);
    assert.equal((await store.get(`${pods}a`)).entry?.leaseId, lease.id);
    clock.advance(59_000);
    await turns();
    assert.equal(store.revision, revision + 7);
    const heard = collect(store.watch({ prefix: pods, after: store.revision }), 2);
    clock.advance(1_000);
    assert.deepEqual((await heard).map(tell), [`${revision + 8} delete a was 1`, `${revision + 9} delete b was 1`]);
    assert.deepEqual(await names(store, under(pods)), ['c', 'free']);
    const late = store.put(`${pods}e`, encodeText('1'), { leaseId: lease.id });
    assert.equal((await refusal(late)).reason, 'LeaseNotFound');
  });

  suite('a put with an unknown lease writes nothing', async (store) => {
    const unknown = store.put(`${pods}a`, encodeText('1'), { leaseId: 'none' });
    assert.equal((await refusal(unknown)).reason, 'LeaseNotFound');
    assert.equal(store.revision, 1);
  });

  suite('64 writers that compare and put lose no increment', async (store) => {
    await put(store, 'sum', '0', 0);
    const increments = 10;
    const writer = async () => {
      for (let done = 0; done < increments; ) {
        const { entry } = await store.get(`${pods}sum`);
        const next = `${Number(text(entry)) + 1}`;
        const refused = await refusalOrNone(put(store, 'sum', next, entry?.modRevision));
        if (!refused) done++;
        else assert.equal(refused.reason, 'Conflict');
      }
    };
    await Promise.all(Array.from({ length: 64 }, writer));
    assert.equal(text((await store.get(`${pods}sum`)).entry), `${64 * increments}`);
  });

  test(`${engine}: closing completes writes, ends watches, and refuses what comes later`, async () => {
    const store = await open();
    const watching = collect(store.watch({ prefix: pods, after: 1 }), 2);
    const writing = put(store, 'a', '1');
    await Promise.all([store[Symbol.asyncDispose](), refusal(watching), writing]);
    assert.equal(await writing, 2);
    assert.equal((await refusal(watching)).reason, 'Closed');
    await store[Symbol.asyncDispose]();
    const later = [
      store.get('/a'),
      store.range(under('/')),
      put(store, 'b', '1'),
      store.delete('/a'),
      store.compact(1),
      store.grantLease(1),
      collect(store.watch({ prefix: pods, after: 1 }), 1),
    ];
    for (const call of later) assert.equal((await refusal(call)).reason, 'Closed');
  });
}

function under(prefix: string): RangeRequest {
  return { start: prefix, end: prefixEnd(prefix) };
}

function put(store: Store, name: string, value: string, expected?: number): Promise<number> {
  return store.put(`${pods}${name}`, encodeText(value), expected === undefined ? {} : { expected });
}

function text(entry: Entry | undefined): string {
  assert.ok(entry, 'no entry');
  return decodeText(entry.value);
}

function name({ key }: Entry): string {
  return key.slice(pods.length);
}

async function names(store: Store, request: RangeRequest): Promise<string[]> {
  const { entries, count } = await store.range(request);
  assert.equal(count, entries.length);
  return entries.map(name);
}

function revisionOf(event: StoreEvent): number {
  return event.type === 'put' ? event.entry.modRevision : event.revision;
}

/** One event as a line: `4 put a=2 was 1`. */
function tell(event: StoreEvent): string {
  const was = event.previous ? ` was ${text(event.previous)}` : '';
  if (event.type === 'delete') return `${event.revision} delete ${event.key.slice(pods.length)}${was}`;
  return `${event.entry.modRevision} put ${name(event.entry)}=${text(event.entry)}${was}`;
}

/** The first `wanted` events. */
async function collect(watch: AsyncIterable<readonly StoreEvent[]>, wanted: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  for await (const batch of watch) {
    assert.ok(batch.length > 0);
    events.push(...batch);
    if (events.length >= wanted) break;
  }
  return events.slice(0, wanted);
}

async function refusalOrNone(call: Promise<unknown>): Promise<StoreError | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
}

async function refusal(call: Promise<unknown>): Promise<StoreError> {
  const error = await refusalOrNone(call);
  assert.ok(error, 'was not refused');
  return error;
}

function countListeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

/** Lets what is due in this turn and the next few happen: for showing that something does not. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await new Promise((resolve) => setImmediate(resolve));
}
