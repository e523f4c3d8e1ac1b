import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatJoinString, parseJoinString } from './join-string.ts';

const join = {
  server: 'https://api.example.com:6443',
  caPin: `sha256:${'ab'.repeat(32)}`,
  token: 'abcdef.0123456789abcdef',
};

test('a join string is one word that gives back what went in', () => {
  const text = formatJoinString(join);
  assert.match(text, /^fairlead1\.[A-Za-z0-9_-]+$/);
  assert.deepEqual(parseJoinString(text), join);
  assert.deepEqual(parseJoinString(`  ${text.slice(0, 40)}\n${text.slice(40)}\n`), join);
});

test('a join string that was cut or mistyped is refused, without its content in the error', () => {
  const text = formatJoinString(join);
  for (let length = 0; length < text.length; length++) {
    assert.throws(() => parseJoinString(text.slice(0, length)), { name: 'RangeError' });
  }
  for (let index = 10; index < text.length; index++) {
    const mistyped = `${text.slice(0, index)}${text[index] === 'A' ? 'B' : 'A'}${text.slice(index + 1)}`;
    assert.throws(
      () => parseJoinString(mistyped),
      (error: Error) =>
        error.name === 'RangeError' && !error.message.includes('abcdef') && !error.message.includes(text.slice(20, 40)),
    );
  }
  assert.throws(() => parseJoinString(`${text}AAAA`), /damaged/);
  assert.throws(() => parseJoinString('kubeadm join'), /no join string/);
  assert.throws(() => parseJoinString('fairlead9.abcd'), /version 9/);
});

test('parts that do not fit are refused', () => {
  assert.throws(() => formatJoinString({ ...join, server: 'http://x' }), /https URL/);
  assert.throws(() => formatJoinString({ ...join, server: 'https://u:p@x' }), /https URL/);
  assert.throws(() => formatJoinString({ ...join, caPin: 'sha256:00' }), /pin/);
  assert.throws(
    () => formatJoinString({ ...join, token: 'SECRET' }),
    (error: Error) => !error.message.includes('SECRET'),
  );
});
