import type { QueueBudget, QueueHolder } from '../queue-budget.ts';

export interface SlowReader extends QueueHolder {
  /** For people. */
  readonly address: string;
  destroy(error: Error): void;
}

/** How often what waits for slow readers is counted. In between each can only fill its window. */
const countIntervalMs = 200;

/**
 * Holds all native connections of one server or agent to the total that may wait for readers: a window bounds each of them alone. Where all together
 * hold more, the one that holds most is closed.
 */
export class SlowReaders {
  readonly #budget: QueueBudget;
  readonly #onStalled: (reader: SlowReader) => void;
  readonly #counted = new Map<SlowReader, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(budget: QueueBudget, { onStalled }: { readonly onStalled: (reader: SlowReader) => void }) {
    this.#budget = budget;
    this.#onStalled = onStalled;
  }

  /** `reader` has more than its reader takes at once. */
  add(reader: SlowReader): void {
    if (this.#counted.has(reader)) return;
    this.#counted.set(reader, 0);
    this.#timer ??= setInterval(() => this.#count(), countIntervalMs).unref();
  }

  delete(reader: SlowReader): void {
    const counted = this.#counted.get(reader);
    if (counted === undefined) return;
    this.#counted.delete(reader);
    this.#budget.add(reader, -counted);
    if (this.#counted.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #count(): void {
    for (const [reader, before] of this.#counted) {
      const now = reader.queuedBytes;
      this.#counted.set(reader, now);
      this.#budget.add(reader, now - before);
      if (now === 0) this.delete(reader);
    }
    for (;;) {
      const largest = this.#largest();
      if (!largest) return;
      this.#onStalled(largest);
      const { address, queuedBytes } = largest;
      largest.destroy(
        new Error(`the reader of ${address} is ${queuedBytes} bytes behind, and all together hold too much`),
      );
    }
  }

  #largest(): SlowReader | undefined {
    const { excessive } = this.#budget;
    return [...this.#counted.keys()].find((reader) => reader === excessive);
  }
}
