import { Worker } from 'node:worker_threads';
import { StoreError } from '../store.ts';
import { closedError } from '../store-refusal.ts';
import type { OpenedReply, Reply, Request, WorkerOptions } from './protocol.ts';

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: StoreError) => void;
}

/** The main thread's end of the database worker: requests go out in order and their answers come back in order. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  readonly #exited: Promise<void>;
  #failure: StoreError | undefined;
  #onFailure: (error: StoreError) => void = () => {};

  private constructor(options: WorkerOptions) {
    // The process's own options may be none that a worker takes, such as `--input-type`.
    const execArgv = ['--disable-warning=ExperimentalWarning'];
    this.#worker = new Worker(workerUrl(), { name: 'fairlead-store', workerData: options, execArgv });
    this.#worker.on('message', (reply: Reply) => this.#settle(reply));
    this.#worker.on('error', (error) =>
      this.#fail(new StoreError('Failed', 'The store worker crashed', { cause: error })),
    );
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#fail(new StoreError('Failed', `The store worker ended with code ${code}`));
        resolve();
      });
    });
  }

  /** @throws {StoreError} `Locked`, `Corrupt`, `NewerFormat`, `Failed` */
  static async open(options: WorkerOptions): Promise<{ link: WorkerLink; opened: OpenedReply }> {
    const link = new WorkerLink(options);
    try {
      const opened = await new Promise<Reply>((resolve, reject) => link.#waiting.push({ resolve, reject }));
      if (opened.kind !== 'opened') throw unexpectedReply(opened);
      return { link, opened };
    } catch (error) {
      await link.#exited;
      throw error;
    }
  }

  /** Told once, after which every request is refused with `Failed`. */
  set onFailure(listener: (error: StoreError) => void) {
    this.#onFailure = listener;
  }

  get failure(): StoreError | undefined {
    return this.#failure;
  }

  /** @throws {StoreError} the reason of a `failed` answer; `Failed` from then on */
  request(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<Reply> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.postMessage(request, transfer);
    });
  }

  /** Lets the worker finish what it was asked, close the file and end. @throws {StoreError} when closing fails */
  async close(): Promise<void> {
    try {
      if (!this.#failure) await this.request({ kind: 'close' });
      else this.#worker.postMessage({ kind: 'close' } satisfies Request);
    } finally {
      await this.#exited;
    }
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.shift();
    if (reply.kind === 'closed') this.#failure ??= closedError();
    if (reply.kind !== 'failed') {
      waiting?.resolve(reply);
      return;
    }
    const error = new StoreError(reply.reason, reply.message);
    waiting?.reject(error);
    this.#fail(
      new StoreError('Failed', `The store has failed and must be opened anew: ${reply.message}`, { cause: error }),
    );
  }

  #fail(error: StoreError): void {
    if (this.#failure) return;
    this.#failure = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#onFailure(error);
  }
}

/** For an answer of a kind that the request cannot have: a bug. */
export function unexpectedReply(reply: Reply): Error {
  return new Error(`Unexpected answer of the store worker: ${reply.kind}`);
}

/** In the bundle this file is part of `fairlead.mjs`, and the worker lies beside it as a second entry. */
function workerUrl(): URL {
  const source = import.meta.url.endsWith('.ts');
  return new URL(source ? './sqlite-worker.ts' : './sqlite-worker.mjs', import.meta.url);
}
