import assert from 'node:assert/strict';
import test from 'node:test';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  quantityToInteger,
  quantityToMilli,
  quantityToNumber,
  subtractQuantities,
} from './quantity.ts';

const canonical = [
  ['0', '0'],
  ['1000m', '1'],
  ['0.5', '500m'],
  ['1.5', '1500m'],
  ['1000', '1k'],
  ['1000000', '1M'],
  ['100', '100'],
  ['999m', '999m'],
  ['1024Ki', '1Mi'],
  ['1.5Gi', '1536Mi'],
  ['1023', '1023'],
  ['1Ki', '1Ki'],
  ['0.5Ki', '512'],
  ['12e6', '12e6'],
  ['1e3', '1e3'],
  ['1e2', '100'],
  ['-1', '-1'],
  ['+2', '2'],
  ['100000000', '100M'],
  ['1E', '1E'],
  ['.5', '500m'],
  ['5.', '5'],
  ['0.0000000001', '1n'],
  ['9e99', '9223372036854775807'],
] as const;

test('a quantity is written in its canonical form', () => {
  for (const [text, expected] of canonical) assert.equal(formatQuantity(parseQuantity(text)), expected, text);
});

test('a resource list rounds up to milli', () => {
  assert.equal(canonicalQuantity('0.0001'), '1m');
  assert.equal(canonicalQuantity('250m'), '250m');
  assert.equal(canonicalQuantity('1024Mi'), '1Gi');
  assert.equal(canonicalQuantity('512Mi'), '512Mi');
});

test('what is no quantity is refused with the words of upstream', () => {
  for (const text of ['', 'abc', ' 1', '1 Gi', '-', `1${'0'.repeat(400)}`]) {
    assert.throws(
      () => parseQuantity(text),
      { name: 'QuantityError', message: /must match the regular expression/ },
      text,
    );
  }
  for (const text of ['1Kim', '1e', '1Zi', '5eE3']) {
    assert.throws(() => parseQuantity(text), { name: 'QuantityError' }, text);
  }
  assert.throws(() => parseQuantity('1Kim'), { message: "unable to parse quantity's suffix" });
  assert.throws(() => parseQuantity('1.2.3'), { message: 'unable to parse numeric part of quantity' });
});

test('an absurd exponent costs nothing', () => {
  assert.equal(formatQuantity(parseQuantity('1e999999999')), '9223372036854775807');
  assert.equal(formatQuantity(parseQuantity('1e-999999999')), '1e-9');
  assert.equal(formatQuantity(parseQuantity('0e999999999')), '0');
});

test('arithmetic is exact', () => {
  const a = parseQuantity('0.1');
  const b = parseQuantity('0.2');
  assert.equal(formatQuantity(addQuantities(a, b)), '300m');
  assert.equal(formatQuantity(subtractQuantities(a, b)), '-100m');
  assert.ok(compareQuantities(parseQuantity('1Gi'), parseQuantity('1G')) > 0);
  assert.equal(compareQuantities(parseQuantity('1'), parseQuantity('1000m')), 0);
  assert.equal(quantityToMilli(parseQuantity('0.0015')), 2);
  assert.equal(quantityToInteger(parseQuantity('1.1')), 2n);
  assert.equal(quantityToNumber(parseQuantity('1.5Gi')), 1.5 * 1024 ** 3);
});
