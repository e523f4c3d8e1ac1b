import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NumberAllocator } from './number-allocator.ts';

const ten = () => new NumberAllocator({ first: 10n, last: 19n, staticBand: 3n });

test('each number is given once, those of the static band last', () => {
  const numbers = ten();
  const given = Array.from({ length: 10 }, () => numbers.takeNext());
  assert.equal(new Set(given).size, 10);
  assert.deepEqual(given.slice(7).sort(), [10n, 11n, 12n]);
  assert.equal(numbers.takeNext(), undefined);
  assert.equal(numbers.allocated, 10);
});

test('a number that a failed write took is free again', () => {
  const numbers = ten();
  assert.ok(numbers.take(11n));
  assert.ok(!numbers.take(11n));
  numbers.release(11n);
  assert.ok(numbers.take(11n));
});

test('a number that was stored stays until it is no longer stored', () => {
  const numbers = ten();
  numbers.take(11n);
  numbers.hold(11n);
  numbers.release(11n);
  assert.ok(!numbers.take(11n));
  numbers.free(11n);
  assert.ok(numbers.take(11n));
});

test('a number that two stored objects have is free when both are gone', () => {
  const numbers = ten();
  numbers.hold(12n);
  numbers.hold(12n);
  numbers.free(12n);
  assert.ok(!numbers.take(12n));
  numbers.free(12n);
  assert.ok(numbers.take(12n));
});

test('what lies outside is not held', () => {
  const numbers = ten();
  numbers.hold(99n);
  assert.equal(numbers.allocated, 0);
});
