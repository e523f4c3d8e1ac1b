import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../lib/protocol-error.ts';
import { channel, decodeChannelMessage, encodeChannelClose, encodeChannelMessage } from './channel.ts';

const hello = Buffer.from('hello\n');

test('a v5 message recorded from kubectl is read', () => {
  const message = Buffer.from('0068656c6c6f0a', 'hex');
  assert.deepEqual(decodeChannelMessage(message, 'v5.channel.k8s.io'), { kind: 'data', channel: 0, payload: hello });
});

test('a close is read in v5 and is data on an unknown channel in v4', () => {
  const message = Buffer.from('ff00', 'hex');
  assert.deepEqual(decodeChannelMessage(message, 'v5.channel.k8s.io'), { kind: 'close', channel: 0 });
  const older = decodeChannelMessage(message, 'v4.channel.k8s.io');
  assert.deepEqual(older, { kind: 'data', channel: 255, payload: Buffer.from([0]) });
});

test('what is written is read back in every form', () => {
  for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v4.base64.channel.k8s.io', ''] as const) {
    const message = encodeChannelMessage(channel.stderr, hello, protocol);
    const read = decodeChannelMessage(Buffer.from(message), protocol);
    assert.deepEqual(read, { kind: 'data', channel: channel.stderr, payload: hello }, protocol);
  }
  const close = decodeChannelMessage(encodeChannelClose(channel.stdin), 'v5.channel.k8s.io');
  assert.deepEqual(close, { kind: 'close', channel: channel.stdin });
});

test('a base64 message is a digit and base64 text', () => {
  assert.equal(encodeChannelMessage(channel.stdout, hello, 'base64.channel.k8s.io'), '1aGVsbG8K');
});

test('a message that names no channel is a protocol error', () => {
  const broken: [string, 'v5.channel.k8s.io' | 'v4.base64.channel.k8s.io'][] = [
    ['', 'v5.channel.k8s.io'],
    ['ff', 'v5.channel.k8s.io'],
    ['ff0001', 'v5.channel.k8s.io'],
    ['41', 'v4.base64.channel.k8s.io'],
  ];
  for (const [bytes, protocol] of broken) {
    assert.throws(() => decodeChannelMessage(Buffer.from(bytes, 'hex'), protocol), ProtocolError);
  }
});
