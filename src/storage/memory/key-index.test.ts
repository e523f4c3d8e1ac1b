import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyRecord } from './key-index.ts';
import { KeyIndex, versionAt } from './key-index.ts';

const record = (key: string): KeyRecord => ({ key, head: { revision: 2, entry: entry(key), older: undefined } });
const entry = (key: string) => ({
  key,
  value: new Uint8Array(),
  createRevision: 2,
  modRevision: 2,
  version: 1,
  leaseId: undefined,
});

const orders: Record<string, (index: number) => number> = {
  ascending: (index) => index,
  descending: (index) => 5000 - index,
  mixed: (index) => (index * 2741) % 5003,
};

for (const [order, place] of Object.entries(orders)) {
  test(`keys inserted in ${order} order are scanned in order and counted by range`, () => {
    const index = new KeyIndex();
    const keys = Array.from({ length: 5000 }, (_, at) => String(place(at)).padStart(5, '0'));
    for (const key of keys) index.insert(record(key));
    keys.sort();
    assert.deepEqual(scan(index, '', '~'), keys);
    assert.equal(index.countLive('', '~'), 5000);
    const [start, end] = ['01234', '03333'];
    const inside = keys.filter((key) => key >= start && key < end);
    assert.deepEqual(scan(index, start, end), inside);
    assert.equal(index.countLive(start, end), inside.length);
  });
}

test('removed and dead keys are not counted', () => {
  const index = new KeyIndex();
  const keys = Array.from({ length: 2000 }, (_, at) => String(at).padStart(5, '0'));
  for (const key of keys) index.insert(record(key));
  for (const [at, key] of keys.entries()) {
    if (at % 2 === 0) continue;
    index.addLive(key, -1);
    if (at % 4 === 1) index.remove(key);
  }
  assert.equal(index.countLive('', '~'), 1000);
  assert.equal(scan(index, '', '~').length, 1500);
  for (const key of keys) index.remove(key);
  index.remove('none');
  assert.deepEqual(scan(index, '', '~'), []);
  assert.equal(index.countLive('', '~'), 0);
});

test('the version at a revision is the last one written by then', () => {
  const first = { revision: 3, entry: entry('a'), older: undefined };
  const deleted = { revision: 5, entry: undefined, older: first };
  const head = { revision: 9, entry: entry('a'), older: deleted };
  const found = [2, 3, 4, 5, 8, 9, 100].map((revision) => versionAt({ key: 'a', head }, revision)?.revision);
  assert.deepEqual(found, [undefined, 3, 3, 5, 5, 9, 9]);
});

function scan(index: KeyIndex, start: string, end: string): string[] {
  const keys: string[] = [];
  index.scan(start, end, ({ key }) => keys.push(key) > 0);
  return keys;
}
