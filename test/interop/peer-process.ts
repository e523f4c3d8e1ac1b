import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { peersDirectory } from '../e2e/kubectl-binaries.ts';

/** The path of a built upstream component, or `undefined` where `npm run peers` has not built it. */
export function findPeer(module: string, name: string): string | undefined {
  const path = join(peersDirectory, module, name);
  return existsSync(path) ? path : undefined;
}

/** One upstream program that runs until it is disposed. What it prints last is kept for error messages. */
export class PeerProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #name: string;
  #output = '';

  constructor(path: string, args: readonly string[], options: { name: string; env?: NodeJS.ProcessEnv }) {
    this.#name = options.name;
    this.child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.#output = (this.#output + chunk).slice(-30_000);
      });
    }
  }

  get output(): string {
    return this.#output;
  }

  /** Asks `probe` every 50 ms until it gives true: other people's programs do not announce when they are ready. */
  async until(probe: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      if (this.child.exitCode !== null)
        throw new Error(`${this.#name} ended with ${this.child.exitCode}: ${this.#output}`);
      try {
        if (await probe()) return;
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`${this.#name} is not ready: ${this.#output}`, { cause: error });
      }
      if (Date.now() > deadline) throw new Error(`${this.#name} is not ready: ${this.#output}`);
      await wait(50);
    }
  }

  /** Ends it as a lost machine ends: without a word. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGKILL');
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const closed = once(this.child, 'close');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await closed;
    clearTimeout(timer);
  }
}
