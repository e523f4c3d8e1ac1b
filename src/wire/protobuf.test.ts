import assert from 'node:assert/strict';
import test from 'node:test';
import { ProtobufReader, ProtobufWriter, varintLength, writeVarint } from './protobuf.ts';

test('fields are written and read back', () => {
  const writer = new ProtobufWriter({ initialBytes: 1 });
  const long = 'ü'.repeat(300);
  for (const value of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -1, -(2 ** 40)])
    writer.varintField(1, value);
  for (const value of ['', 'a', 'ü', 'x'.repeat(40), 'x'.repeat(130), long]) writer.textField(2, value);
  writer.uint64Field(3, (1n << 64n) - 1n);
  writer.doubleField(4, -1.25);
  writer.bytesField(5, new Uint8Array([1, 2, 3]));
  writer.boolField(6, true);
  const reader = new ProtobufReader(writer.finish());
  const numbers: number[] = [];
  const texts: string[] = [];
  const others: unknown[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag >>> 3 === 1) numbers.push(reader.int64());
    else if (tag >>> 3 === 2) texts.push(reader.text());
    else if (tag >>> 3 === 3) others.push(reader.uint64());
    else if (tag >>> 3 === 4) others.push(reader.double());
    else if (tag >>> 3 === 5) others.push([...reader.bytes()]);
    else others.push(reader.bool());
  }
  assert.deepEqual(numbers, [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32, 2 ** 53 - 1, -1, -(2 ** 40)]);
  assert.deepEqual(texts, ['', 'a', 'ü', 'x'.repeat(40), 'x'.repeat(130), long]);
  assert.deepEqual(others, [(1n << 64n) - 1n, -1.25, [1, 2, 3], true]);
});

test('a nested message may be of any length', () => {
  for (const length of [0, 100, 127, 128, 16_383, 16_384, 70_000]) {
    const writer = new ProtobufWriter();
    const outer = writer.beginMessage(1);
    const inner = writer.beginMessage(2);
    writer.textField(3, 'y'.repeat(length));
    writer.endMessage(inner);
    writer.endMessage(outer);
    writer.varintField(4, 9);
    const reader = new ProtobufReader(writer.finish());
    assert.equal(reader.tag(), 0x0a);
    const middle = reader.message();
    assert.equal(middle.tag(), 0x12);
    const innermost = middle.message();
    assert.equal(innermost.tag(), 0x1a);
    assert.equal(innermost.text().length, length);
    assert.ok(innermost.atEnd && middle.atEnd);
    assert.equal(reader.tag(), 0x20);
    assert.equal(reader.int64(), 9);
  }
});

test('bytes of other encoders are read: known encodings, byte for byte', () => {
  // From the protobuf encoding guide: 150, and the text "testing".
  const reader = new ProtobufReader(Buffer.from('089601120774657374696e67', 'hex'));
  assert.equal(reader.tag(), 0x08);
  assert.equal(reader.uint32(), 150);
  assert.equal(reader.tag(), 0x12);
  assert.equal(reader.text(), 'testing');
  assert.equal(reader.tag(), 0);
  const negative = new ProtobufReader(Buffer.from('08feffffffffffffffff01', 'hex'));
  negative.tag();
  assert.equal(negative.int32(), -2);
});

test('what breaks the format is a protocol error', () => {
  const broken = { name: 'ProtocolError' };
  assert.throws(() => new ProtobufReader(Buffer.from('08', 'hex')).skip(2), broken);
  assert.throws(() => new ProtobufReader(Buffer.from('ffffffffffffffffffffff', 'hex')).int64(), broken);
  assert.throws(() => new ProtobufReader(Buffer.from('ffffffffffffffffffffff', 'hex')).uint32(), broken);
  assert.throws(() => new ProtobufReader(Buffer.from('05aa', 'hex')).bytes(), broken);
  assert.throws(() => new ProtobufReader(Buffer.from('00', 'hex')).tag(), broken);
  assert.throws(() => new ProtobufReader(Buffer.from('0001', 'hex')).skip(3), broken);
  assert.throws(() => new ProtobufReader(Buffer.from('000102', 'hex')).double(), broken);
});

test('a varint says how long it is', () => {
  const buffer = Buffer.alloc(10);
  for (const value of [0, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1]) {
    assert.equal(writeVarint(buffer, 0, value), varintLength(value));
  }
});
