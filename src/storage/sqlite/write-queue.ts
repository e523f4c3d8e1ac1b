import { StoreError } from '../store.ts';
import type { Reply, WriteOperation, WriteResult } from './protocol.ts';
import { unexpectedReply } from './worker-link.ts';

/** A write that waits. `operation` is made when it is sent, with the place of its value in the batch. */
export interface PendingWrite {
  readonly value: Uint8Array | undefined;
  readonly operation: (valueOffset: number) => WriteOperation;
  readonly settle: (result: WriteResult) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriteQueueOptions {
  readonly send: (operations: readonly WriteOperation[], values: ArrayBuffer) => Promise<Reply>;
  /** Called for each batch after it is durable and before its writes are settled one by one. */
  readonly onCommit: (batch: { readonly size: number; readonly commitMs: number }) => void;
  /** Called when all writes of a batch are settled. */
  readonly onSettled: () => void;
}

const maxBatchWrites = 1000;
const maxBatchBytes = 8 * 1024 * 1024;
/** While one batch is synced, the next is on its way: neither thread waits for the other. */
const maxBatchesInFlight = 2;
/** Beyond this, writes are refused rather than gathered. */
const maxQueuedWrites = 100_000;
const maxQueuedBytes = 256 * 1024 * 1024;

/** Group commit: all writes that arrive while one transaction runs go into the next. */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  #queue: PendingWrite[] = [];
  #queuedBytes = 0;
  #inFlight = 0;
  #batchesInFlight = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  /** Writes not yet durable. */
  get length(): number {
    return this.#queue.length + this.#inFlight;
  }

  /** @throws {StoreError} `Overrun` when too many writes wait already */
  push(write: PendingWrite): void {
    if (this.#queue.length >= maxQueuedWrites || this.#queuedBytes >= maxQueuedBytes) {
      throw new StoreError('Overrun', `Too many writes wait: ${this.#queue.length} with ${this.#queuedBytes} bytes`);
    }
    this.#queue.push(write);
    this.#queuedBytes += write.value?.length ?? 0;
    this.#schedule();
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** After this turn of the event loop, so that what one burst of requests writes goes together. */
  #schedule(): void {
    if (this.#scheduled || this.#batchesInFlight >= maxBatchesInFlight) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#sendBatch();
    });
  }

  #sendBatch(): void {
    const batch = this.#takeBatch();
    if (batch.length === 0) return;
    this.#inFlight += batch.length;
    this.#batchesInFlight++;
    const { operations, values } = pack(batch);
    this.#options
      .send(operations, values)
      .then((reply) => {
        if (reply.kind !== 'written') throw unexpectedReply(reply);
        this.#options.onCommit({ size: batch.length, commitMs: reply.commitMs });
        for (let at = 0; at < batch.length; at++) batch[at]?.settle(reply.results[at] as WriteResult); // one for each
        this.#options.onSettled();
      })
      .catch((error: unknown) => {
        for (const { reject } of batch) reject(error);
      })
      .finally(() => {
        this.#inFlight -= batch.length;
        this.#batchesInFlight--;
        if (this.#queue.length > 0) this.#schedule();
        else if (this.#inFlight === 0) for (const resolve of this.#idle.splice(0)) resolve();
      });
  }

  #takeBatch(): PendingWrite[] {
    let bytes = 0;
    let size = 0;
    for (const { value } of this.#queue) {
      if (size >= maxBatchWrites || bytes >= maxBatchBytes) break;
      bytes += value?.length ?? 0;
      size++;
    }
    this.#queuedBytes -= bytes;
    const batch = this.#queue;
    this.#queue = batch.splice(size);
    return batch;
  }
}

/** All values in one buffer, which changes threads without a copy. */
function pack(batch: readonly PendingWrite[]): { operations: WriteOperation[]; values: ArrayBuffer } {
  let size = 0;
  for (const { value } of batch) size += value?.length ?? 0;
  const values = new Uint8Array(size);
  let offset = 0;
  const operations = batch.map(({ value, operation }) => {
    const packed = operation(offset);
    if (value) {
      values.set(value, offset);
      offset += value.length;
    }
    return packed;
  });
  return { operations, values: values.buffer };
}
