import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CachedObject } from './cached-object.ts';
import { type CacheEvent, EventWindow } from './event-window.ts';

function event(revision: number): CacheEvent {
  const stored = Buffer.from('{"kind":"ConfigMap","metadata":{"name":"a"}}');
  const object = new CachedObject({ id: 'd/a', stored, revision, createRevision: 1 });
  return { type: 'MODIFIED', revision, object, previous: undefined };
}

const bounds = { windowMs: 1000, minEvents: 2, maxEvents: 5, maxBytes: 1_000_000 };
const revisions = (events: readonly CacheEvent[] | undefined) => events?.map(({ revision }) => revision);

test('events after a revision are there as long as none of them is missing', () => {
  const window = new EventWindow(10, bounds);
  for (const revision of [11, 14, 15]) window.add(event(revision), 0);
  assert.deepEqual(revisions(window.after(10)), [11, 14, 15]);
  assert.deepEqual(revisions(window.after(12)), [14, 15]);
  assert.deepEqual(revisions(window.after(15)), []);
  assert.equal(window.after(9), undefined);
});

test('old events go, except for the last few', () => {
  const window = new EventWindow(0, bounds);
  for (const revision of [1, 2, 3, 4]) window.add(event(revision), 0);
  window.trim(2000);
  assert.equal(window.start, 2);
  assert.deepEqual(revisions(window.after(2)), [3, 4]);
  assert.equal(window.after(1), undefined);
});

test('more events or bytes than allowed push out the oldest, however young', () => {
  const few = new EventWindow(0, bounds);
  for (let revision = 1; revision <= 3000; revision++) few.add(event(revision), 0);
  assert.deepEqual(revisions(few.after(few.start)), [2996, 2997, 2998, 2999, 3000]);
  const small = new EventWindow(0, { ...bounds, maxBytes: 100 });
  for (const revision of [1, 2, 3, 4]) small.add(event(revision), 0);
  assert.equal(small.size, 2);
});
