/** What one connection holds for a reader that has not taken it yet. */
export interface QueueHolder {
  readonly queuedBytes: number;
}

/** How much may wait for slow readers. */
export interface QueueLimits {
  /** Of one connection. Upstream's protocol has no window, so this is what a reader may be behind. @default 4 MiB */
  readonly connectionBytes?: number;
  /** Of all connections together. @default 256 MiB */
  readonly totalBytes?: number;
  /** How long a full queue may keep everything else on its agent's stream waiting before its connection is closed. @default 1000 */
  readonly holdMs?: number;
}

/** Counts the bytes that wait in all connections of one server or agent. */
export class QueueBudget {
  readonly connectionBytes: number;
  readonly totalBytes: number;
  readonly holdMs: number;
  readonly #holders = new Set<QueueHolder>();
  #queued = 0;

  constructor(limits: QueueLimits = {}) {
    this.connectionBytes = limits.connectionBytes ?? 4 * 1024 * 1024;
    this.totalBytes = limits.totalBytes ?? 256 * 1024 * 1024;
    this.holdMs = limits.holdMs ?? 1000;
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  /** `bytes` more, or fewer, wait in `holder`. */
  add(holder: QueueHolder, bytes: number): void {
    this.#queued += bytes;
    if (holder.queuedBytes > 0) this.#holders.add(holder);
    else this.#holders.delete(holder);
  }

  /** Who holds most, while all together hold more than they may. */
  get excessive(): QueueHolder | undefined {
    return this.#queued > this.totalBytes ? this.#largest() : undefined;
  }

  /** Whether `holder` may not take more: by its own bound or, where it is the largest one, by the total. */
  isFull(holder: QueueHolder): boolean {
    if (holder.queuedBytes > this.connectionBytes) return true;
    return this.#queued > this.totalBytes && holder === this.#largest();
  }

  #largest(): QueueHolder | undefined {
    let largest: QueueHolder | undefined;
    for (const holder of this.#holders) {
      if (!largest || holder.queuedBytes > largest.queuedBytes) largest = holder;
    }
    return largest;
  }
}
