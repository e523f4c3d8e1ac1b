import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseStaticTokens } from './static-tokens.ts';

test('rows are token, user, uid and quoted groups', () => {
  const text = 't1,alice,1,"dev,ops"\n\nt2, bob ,2\n,nobody,3\nt3,"o""neil",4,one\n';
  assert.deepEqual(parseStaticTokens(text), [
    { token: 't1', user: { username: 'alice', uid: '1', groups: ['dev', 'ops'], extra: {} } },
    { token: 't2', user: { username: 'bob', uid: '2', groups: [], extra: {} } },
    { token: 't3', user: { username: 'o"neil', uid: '4', groups: ['one'], extra: {} } },
  ]);
});

test('an error names the row and not the token', () => {
  assert.throws(() => parseStaticTokens('a,b,c\nSECRET,bob'), {
    name: 'ConfigError',
    message: 'Token file row 2: expected at least 3 columns (token, user, uid), found 2',
  });
  assert.throws(() => parseStaticTokens('SECRET,"bob,1'), {
    name: 'ConfigError',
    message: /^Token file row 1: a quote/,
  });
});
