import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerValues, readExtra, separateIdentityHeaders } from './identity-headers.ts';

test('repeated identity headers are kept apart, others stay as they are', () => {
  const headers = { accept: 'a, b', 'impersonate-group': 'x, y, z', 'x-remote-extra-k': '1, 2' };
  const raw = [
    'Accept',
    'a',
    'Accept',
    'b',
    'Impersonate-Group',
    'x, y',
    'impersonate-group',
    'z',
    'X-Remote-Extra-K',
    '1, 2',
  ];
  const separated = separateIdentityHeaders(headers, raw);
  assert.deepEqual(headerValues(separated, 'impersonate-group'), ['x, y', 'z']);
  assert.deepEqual(headerValues(separated, 'x-remote-extra-k'), ['1, 2']);
  assert.equal(separated['accept'], 'a, b');
});

test('headers without repetition are given back as they are', () => {
  const headers = { host: 'x', 'impersonate-user': 'a' };
  assert.equal(separateIdentityHeaders(headers, ['Host', 'x', 'Impersonate-User', 'a']), headers);
});

test('a joined value is one strange value, never two', () => {
  assert.deepEqual(headerValues({ 'x-remote-group': 'a, system:masters' }, 'x-remote-group'), ['a, system:masters']);
});

test('extra keys are lower case and percent-decoded; what cannot be decoded stays', () => {
  const headers = {
    'x-remote-extra-Acme.com%2FProject': 'one',
    'x-remote-extra-50%': 'two',
    'x-remote-extra-constructor': 'three',
  };
  assert.deepEqual(Object.entries(readExtra(headers, ['x-remote-extra-'])), [
    ['acme.com/project', ['one']],
    ['50%', ['two']],
    ['constructor', ['three']],
  ]);
});
