/**
 * A set of background tasks with one owner. Disposal aborts `signal` and waits until every task has ended.
 * A task that fails for another reason than the abort is given to `onError` once.
 */
export class TaskGroup implements AsyncDisposable {
  readonly #controller = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #onError: (error: unknown) => void;

  constructor(options: { onError: (error: unknown) => void }) {
    this.#onError = options.onError;
  }

  /** Aborts when the group is disposed. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How many tasks run now. */
  get size(): number {
    return this.#tasks.size;
  }

  /** Starts a task. After disposal nothing is started. */
  run(task: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return;
    const running: Promise<void> = Promise.resolve()
      .then(() => task(this.signal))
      .catch((error: unknown) => {
        if (!this.signal.aborted) this.#onError(error);
      })
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort();
    await Promise.all(this.#tasks);
  }
}

/** Rejects with the signal's reason once it aborts; never resolves. The listener goes with `cleanup`'s abort. */
export function rejectOnAbort(signal: AbortSignal, cleanup: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: cleanup });
  });
}
