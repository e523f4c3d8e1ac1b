import type { StoreError, StoreEvent, WatchRequest } from './store.ts';
import { eventRevision } from './store-event.ts';
import { WatchQueue } from './watch-queue.ts';

/**
 * The writes to a prefix after `after`, up to and including `upTo`, in order.
 * @throws {StoreError} `Compacted` when some of them are gone
 */
export type ReadHistory = (range: HistoryRange) => AsyncIterable<readonly StoreEvent[]>;

export interface HistoryRange {
  readonly prefix: string;
  readonly after: number;
  readonly upTo: number;
}

/**
 * Hands each write of an engine to the watches it concerns. A watch that starts in the past reads history first, while its queue
 * already gathers what is published, so that nothing falls between the two.
 */
export class WatchHub {
  readonly #queues = new Set<WatchQueue>();
  readonly #readHistory: ReadHistory;
  #published: number;
  #ended: StoreError | undefined;

  /** `revision` is the newest write that watches will find in history rather than hear from {@link publish}. */
  constructor(options: { revision: number; readHistory: ReadHistory }) {
    this.#published = options.revision;
    this.#readHistory = options.readHistory;
  }

  /** How many watches are open. */
  get size(): number {
    return this.#queues.size;
  }

  /** Delivers durable writes, oldest first. */
  publish(events: readonly StoreEvent[]): void {
    const last = events.at(-1);
    if (!last) return;
    this.#published = eventRevision(last);
    for (const queue of this.#queues) queue.offer(events);
  }

  /** Ends every watch, and each one opened later, with `error`. */
  end(error: StoreError): void {
    this.#ended = error;
    for (const queue of this.#queues) queue.fail(error);
  }

  /** The watch opens when its iteration begins, so one that is never iterated costs nothing. */
  async *watch(request: WatchRequest): AsyncGenerator<readonly StoreEvent[], void, undefined> {
    const { prefix, after, signal, maxQueuedEvents = 100_000 } = request;
    signal?.throwIfAborted();
    if (this.#ended) throw this.#ended;
    const upTo = this.#published;
    const queue = new WatchQueue({ prefix, after: Math.max(after, upTo), maxQueuedEvents });
    const abort = () => queue.fail(signal?.reason);
    signal?.addEventListener('abort', abort);
    this.#queues.add(queue);
    try {
      if (after < upTo) {
        for await (const events of this.#readHistory({ prefix, after, upTo })) {
          queue.throwIfFailed();
          if (events.length > 0) yield events;
          queue.throwIfFailed();
        }
      }
      while (true) yield await queue.take();
    } finally {
      this.#queues.delete(queue);
      signal?.removeEventListener('abort', abort);
    }
  }
}
