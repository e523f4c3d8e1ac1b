import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandVariables } from './expansion.ts';

test('variables are replaced, unknown ones and escaped ones are not', () => {
  const env: Record<string, string> = { A: '1', B: '$(A)', 'data-1': 'x' };
  const cases: [string, string][] = [
    ['$(A)', '1'],
    ['a$(A)b$(A)c', 'a1b1c'],
    ['$(B)', '$(A)'],
    ['$(data-1)', 'x'],
    ['$(MISSING)', '$(MISSING)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$A $', '$A $'],
    ['$(A', '$(A'],
  ];
  for (const [text, expected] of cases)
    assert.equal(
      expandVariables(text, (name) => env[name]),
      expected,
      text,
    );
});
