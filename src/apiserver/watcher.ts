import type { EventSink, SharedBytes } from './exchange.ts';

/** What waits for one client, in writes: each has a cost of its own besides its bytes. */
const maxQueuedWrites = 10_000;

/**
 * One watch on its way to one client: first the initial events, at the client's pace, then what happens.
 * What waits is bounded: a client that reads too slowly is cut off and starts again.
 */
export class Watcher {
  /** Asked for with `allowWatchBookmarks`. */
  readonly bookmarks: boolean;
  /** Nothing has been sent yet. */
  fresh = true;
  readonly #sink: EventSink;
  readonly #maxQueueBytes: number;
  readonly #onOverflow: () => void;
  #initial: Iterator<SharedBytes> | undefined;
  #queue: SharedBytes[] = [];
  #queuedBytes = 0;
  #blocked = false;
  #ending = false;

  constructor(
    sink: EventSink,
    options: { bookmarks: boolean; maxQueueBytes: number; onOverflow: () => void; onClose: () => void },
  ) {
    this.#sink = sink;
    this.bookmarks = options.bookmarks;
    this.#maxQueueBytes = options.maxQueueBytes;
    this.#onOverflow = options.onOverflow;
    sink.onDrain(() => {
      this.#blocked = false;
      this.#pump();
    });
    sink.onClose(() => {
      this.#drop();
      options.onClose();
    });
  }

  /** Sends these before everything that is delivered from now on. Called at most once, before the first `deliver`. */
  begin(initial: Iterable<SharedBytes>): void {
    this.#initial = initial[Symbol.iterator]();
    this.#pump();
  }

  deliver(shared: SharedBytes): void {
    this.fresh = false;
    if (this.#ending) return;
    if (!this.#blocked && !this.#initial && this.#queue.length === 0) {
      this.#blocked = !this.#sink.write(shared);
      return;
    }
    this.#queue.push(shared);
    this.#queuedBytes += shared.length;
    if (this.#queuedBytes <= this.#maxQueueBytes && this.#queue.length <= maxQueuedWrites) return;
    this.#onOverflow();
    this.#drop();
    this.#sink.cut();
  }

  /** Ends the watch properly, behind what is queued. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#pump();
  }

  #pump(): void {
    while (!this.#blocked && this.#initial) {
      const { done, value } = this.#initial.next();
      if (done) this.#initial = undefined;
      else {
        this.fresh = false;
        this.#blocked = !this.#sink.write(value);
      }
    }
    let sent = 0;
    while (!this.#blocked && sent < this.#queue.length) {
      const shared = this.#queue[sent++] as SharedBytes;
      this.#queuedBytes -= shared.length;
      this.#blocked = !this.#sink.write(shared);
    }
    if (sent > 0) this.#queue.splice(0, sent);
    if (this.#ending && !this.#initial && this.#queue.length === 0) this.#sink.end();
  }

  #drop(): void {
    this.#ending = true;
    this.#initial = undefined;
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}
