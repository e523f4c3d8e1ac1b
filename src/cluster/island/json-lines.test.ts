import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { readJsonLines, writeJsonLine } from './json-lines.ts';

test('messages arrive one by one however the bytes are cut', async () => {
  const sent = [{ a: 1 }, { text: 'zwei\nZeilen', more: 'ünïcode' }, { nothing: null }];
  const stream = new PassThrough();
  for (const message of sent) writeJsonLine(stream, message);
  stream.end();
  const bytes = Buffer.concat((await stream.toArray()) as Buffer[]);
  const received: unknown[] = [];
  await readJsonLines(Readable.from([...bytes].map((byte) => Buffer.from([byte]))), (message) =>
    received.push(message),
  );
  assert.deepEqual(received, sent);
});

test('a line that is no message, or never ends, is an error', async () => {
  await assert.rejects(
    readJsonLines(Readable.from(['{"a":1}\nnonsense\n']), () => {}),
    SyntaxError,
  );
  const endless = Readable.from(
    (function* () {
      for (;;) yield 'x'.repeat(1024 * 1024);
    })(),
  );
  await assert.rejects(
    readJsonLines(endless, () => {}),
    /a message is longer than/,
  );
});

test('nothing is written to a stream that has ended', () => {
  const stream = new PassThrough();
  stream.end();
  writeJsonLine(stream, { late: true });
  assert.equal(stream.errored, null);
});
