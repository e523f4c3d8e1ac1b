import type { StoreEvent } from './store.ts';
import { StoreError } from './store.ts';
import { eventKey, eventRevision } from './store-event.ts';

/** What one watch has yet to deliver. A full queue drops its content and fails with `Overrun`: the watcher has to begin anew. */
export class WatchQueue {
  readonly #prefix: string;
  readonly #after: number;
  readonly #maxQueuedEvents: number;
  #events: StoreEvent[] = [];
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(options: { prefix: string; after: number; maxQueuedEvents: number }) {
    this.#prefix = options.prefix;
    this.#after = options.after;
    this.#maxQueuedEvents = options.maxQueuedEvents;
  }

  /** Keeps those of `events` that lie under the prefix and after the start. */
  offer(events: readonly StoreEvent[]): void {
    if (this.#failure) return;
    const queued = this.#events;
    for (const event of events) {
      if (eventKey(event).startsWith(this.#prefix) && eventRevision(event) > this.#after) queued.push(event);
    }
    if (queued.length > this.#maxQueuedEvents) {
      this.fail(
        new StoreError('Overrun', `Watch of ${this.#prefix} is more than ${this.#maxQueuedEvents} events behind`),
      );
    } else if (queued.length > 0) {
      this.#wakeUp();
    }
  }

  /** Ends the queue; the first failure counts. */
  fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#events = [];
    this.#wakeUp();
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** All that is queued, once there is something. One caller at a time. */
  async take(): Promise<readonly StoreEvent[]> {
    while (this.#events.length === 0) {
      this.throwIfFailed();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
