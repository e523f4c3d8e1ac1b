import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerHeaders, requestHeaders } from './forwarded-headers.ts';
import { userHeaders } from './user-headers.ts';

test('a user is named with all that is known of him, keys encoded, values as UTF-8', () => {
  const user = {
    username: 'jörg',
    uid: '1',
    groups: ['a', 'b, c'],
    extra: { 'example.com/x%': ['1', '2'], empty: [] },
  };
  assert.deepEqual(userHeaders(user), {
    'x-remote-user': Buffer.from('jörg').toString('latin1'),
    'x-remote-uid': '1',
    'x-remote-group': ['a', 'b, c'],
    'x-remote-extra-example.com%2Fx%25': ['1', '2'],
  });
  assert.deepEqual(userHeaders({ username: 'x', uid: '', groups: [], extra: {} }), { 'x-remote-user': 'x' });
});

test('neither credentials nor identities nor what is one connection’s own goes on', () => {
  const headers = {
    ':path': '/x',
    host: 'h',
    accept: 'a/b',
    authorization: 'Bearer x',
    cookie: 'c',
    connection: 'keep-alive, X-Private',
    'x-private': '1',
    'keep-alive': '1',
    te: 'trailers',
    'transfer-encoding': 'chunked',
    upgrade: 'x',
    expect: '100-continue',
    'x-remote-user': 'a',
    'x_remote-group': 'a',
    'impersonate-user': 'a',
    'x-forwarded-for': '10.0.0.1',
  };
  assert.deepEqual(requestHeaders(headers, { remoteAddress: '10.0.0.2', host: 'h' }), {
    accept: 'a/b',
    'x-forwarded-for': '10.0.0.1, 10.0.0.2',
    'x-forwarded-host': 'h',
    'x-forwarded-proto': 'https',
  });
  assert.deepEqual(answerHeaders({ connection: 'close, x-mine', 'x-mine': '1', 'set-cookie': ['a'], etag: '"e"' }), {
    etag: '"e"',
  });
});
