/**
 * A signal that aborts with `onTimeout()`'s error after `ms`, or with the caller's reason when the caller's signal aborts.
 * Disposal detaches it from both, so that a process-long signal gathers nothing.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  readonly #forward: () => void;

  constructor({ ms, signal, onTimeout }: { ms: number; signal?: AbortSignal | undefined; onTimeout: () => Error }) {
    this.#outer = signal;
    this.#forward = () => this.#controller.abort(signal?.reason);
    this.#timer = setTimeout(() => this.#controller.abort(onTimeout()), ms);
    if (signal?.aborted) this.#forward();
    else signal?.addEventListener('abort', this.#forward, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Lets the time run on without end; the caller's signal still counts. */
  lift(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener('abort', this.#forward);
  }
}

/** Settles as `promise` does, or rejects with the signal's reason once it aborts. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Waits without keeping the process alive. @throws the signal's reason once it aborts */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
