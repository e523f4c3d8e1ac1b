import assert from 'node:assert/strict';
import test from 'node:test';
import { formatMicroTime, formatTime, parseTimestamp } from './timestamp.ts';

test('RFC 3339 times are read with all their digits', () => {
  const cases = [
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000000Z'],
    ['2026-01-02T03:04:05.5Z', '2026-01-02T03:04:05.500000Z'],
    ['2026-01-02T03:04:05.123456789Z', '2026-01-02T03:04:05.123456Z'],
    ['2026-01-02T00:30:00+01:00', '2026-01-01T23:30:00.000000Z'],
    ['2024-02-29T00:00:00-08:30', '2024-02-29T08:30:00.000000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
    ['1969-12-31T23:59:59.25Z', '1969-12-31T23:59:59.250000Z'],
  ] as const;
  for (const [text, expected] of cases) {
    const instant = parseTimestamp(text);
    assert.ok(instant, text);
    assert.equal(formatMicroTime(instant), expected);
    assert.equal(formatTime(instant), `${expected.slice(0, 19)}Z`);
  }
});

test('what is no time is not read', () => {
  for (const text of [
    '',
    '2026-01-02',
    '2026-01-02T03:04:05',
    '2026-02-29T00:00:00Z',
    '2026-01-02T24:00:00Z',
    '2026-13-01T00:00:00Z',
    'x',
  ]) {
    assert.equal(parseTimestamp(text), undefined, text);
  }
});
