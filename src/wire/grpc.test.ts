import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeGrpcMessage, encodeGrpcMessage, GrpcMessageDecoder, writeGrpcPrefix } from './grpc.ts';

function frame(text: string): Buffer {
  const prefix = Buffer.alloc(5);
  writeGrpcPrefix(prefix, { length: text.length });
  return Buffer.concat([prefix, Buffer.from(text)]);
}

test('messages are the same whatever pieces the body comes in', () => {
  const body = Buffer.concat(['', 'a', 'hello', '', 'x'.repeat(300)].map(frame));
  for (const size of [1, 2, 3, 7, 64, body.length]) {
    const decoder = new GrpcMessageDecoder();
    const messages: string[] = [];
    for (let at = 0; at < body.length; at += size) {
      decoder.push(body.subarray(at, at + size), (message) => messages.push(message.toString()));
    }
    assert.deepEqual(messages, ['', 'a', 'hello', '', 'x'.repeat(300)]);
    assert.equal(decoder.atBoundary, true);
  }
});

test('a message that is too long, or compressed, is refused by its prefix', () => {
  const decoder = () => new GrpcMessageDecoder({ maxMessageBytes: 10 });
  assert.throws(() => decoder().push(Buffer.from([0, 0, 0, 0, 11]), () => {}), {
    name: 'ProtocolError',
    message: 'gRPC message of 11 bytes is larger than 10',
  });
  assert.throws(() => decoder().push(Buffer.from([1, 0, 0, 0, 1]), () => {}), { name: 'ProtocolError' });
});

test('status messages survive their header', () => {
  for (const text of ['plain', '100 % sure\n', 'grüße', '']) {
    assert.match(encodeGrpcMessage(text), /^[\x20-\x7e]*$/);
    assert.equal(decodeGrpcMessage(encodeGrpcMessage(text)), text);
  }
  assert.equal(decodeGrpcMessage('50%'), '50%');
});
