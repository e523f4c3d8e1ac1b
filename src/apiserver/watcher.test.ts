import assert from 'node:assert/strict';
import test from 'node:test';
import type { EventSink, SharedBytes } from './exchange.ts';
import { LazyShared } from './shared-bytes.ts';
import { Watcher } from './watcher.ts';

/** A client that reads when it is told to. */
class StalledSink implements EventSink {
  readonly written: SharedBytes[] = [];
  cuts = 0;
  ended = false;
  #drain = () => {};
  write(shared: SharedBytes): boolean {
    this.written.push(shared);
    return false;
  }
  end(): void {
    this.ended = true;
  }
  cut(): void {
    this.cuts++;
  }
  onDrain(listener: () => void): void {
    this.#drain = listener;
  }
  onClose(): void {}
  drain(): void {
    this.#drain();
  }
}

function watcherOn(sink: EventSink, options: { maxQueueBytes: number; onOverflow: () => void }): Watcher {
  return new Watcher(sink, { bookmarks: false, onClose() {}, ...options });
}

const event = new LazyShared(Buffer.from('{}\n'));

test('a watcher that reads nothing is cut off at the bound of bytes', () => {
  const sink = new StalledSink();
  let overflows = 0;
  const watcher = watcherOn(sink, { maxQueueBytes: 9, onOverflow: () => overflows++ });
  for (let i = 0; i < 4; i++) watcher.deliver(event);
  assert.deepEqual([sink.cuts, overflows], [0, 0]);
  watcher.deliver(event);
  watcher.deliver(event);
  assert.deepEqual([sink.cuts, overflows], [1, 1]);
});

test('a watcher that reads nothing is cut off at the bound of events, however small they are', () => {
  const sink = new StalledSink();
  const watcher = watcherOn(sink, { maxQueueBytes: Number.MAX_SAFE_INTEGER, onOverflow() {} });
  for (let i = 0; i < 10_001; i++) watcher.deliver(event);
  assert.equal(sink.cuts, 0);
  watcher.deliver(event);
  assert.equal(sink.cuts, 1);
});

test('what waited is sent in order before the watch ends', () => {
  const sink = new StalledSink();
  const watcher = watcherOn(sink, { maxQueueBytes: 1000, onOverflow: () => assert.fail('cut') });
  const events = ['a', 'b', 'c'].map((text) => new LazyShared(Buffer.from(text)));
  for (const each of events) watcher.deliver(each);
  watcher.end();
  assert.equal(sink.ended, false);
  sink.drain();
  sink.drain();
  sink.drain();
  assert.deepEqual(sink.written, events);
  assert.equal(sink.ended, true);
});
