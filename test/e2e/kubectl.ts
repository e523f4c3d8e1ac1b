import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubectlBinary } from './kubectl-binaries.ts';

export interface KubectlResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  /** The exit code that is expected; `any` accepts all. @default 0 */
  readonly code?: number | 'any';
  /** @default 60_000 */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** One kubectl with a kubeconfig, a cache and a scratch folder of its own. */
export class Kubectl implements Disposable {
  readonly binary: KubectlBinary;
  readonly scratch = mkdtempSync(join(tmpdir(), 'fairlead-kubectl-'));
  readonly #kubeconfig: string;
  readonly #namespace: string | undefined;
  readonly #children = new Set<ChildProcessWithoutNullStreams>();

  constructor(binary: KubectlBinary, options: { kubeconfig: string; namespace?: string }) {
    this.binary = binary;
    this.#kubeconfig = options.kubeconfig;
    this.#namespace = options.namespace;
  }

  /** Arguments and environment for starting it by other means, for example in a terminal. */
  invocation(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): { args: string[]; env: Record<string, string> } {
    const { PATH = '' } = process.env;
    return {
      args: [...(this.#namespace ? ['--namespace', this.#namespace] : []), ...args],
      env: { PATH, HOME: this.scratch, KUBECONFIG: this.#kubeconfig, TERM: 'xterm', ...env },
    };
  }

  /** Starts it; whoever starts it ends it, or disposal does. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcessWithoutNullStreams {
    const invocation = this.invocation(args, env);
    const child = spawn(this.binary.path, invocation.args, { env: invocation.env, cwd: this.scratch });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** Runs it to its end. Fails, with all it printed, when the exit code is another than expected. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<KubectlResult> {
    const child = this.start(args, options.env);
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      output.stderr += chunk;
    });
    child.stdin.on('error', () => {}); // it may end without having read all
    child.stdin.end(options.stdin ?? '');
    const [exit] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    const result = { code: exit ?? -1, ...output };
    const expected = options.code ?? 0;
    if (expected !== 'any') {
      const what = `kubectl ${args.join(' ')}\nstdout: ${result.stdout}\nstderr: ${result.stderr}`;
      assert.equal(result.code, expected, what);
    }
    return result;
  }

  /** The standard output of {@link run}, without the last line break. */
  async text(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await this.run(args, options)).stdout.replace(/\n$/, '');
  }

  /** Standard output read as JSON, for `-o json`. */
  async json<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
    return JSON.parse((await this.run([...args, '-o', 'json'], options)).stdout) as T;
  }

  /** `apply -f -` with these objects. */
  apply(...objects: readonly object[]): Promise<KubectlResult> {
    return this.run(['apply', '-f', '-'], { stdin: objects.map((object) => JSON.stringify(object)).join('\n---\n') });
  }

  /** A file in the scratch folder. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.scratch, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.scratch, { recursive: true, force: true });
  }
}

/** Resolves with everything printed so far once it matches `pattern`. @throws when the stream ends before, with what came */
export function untilPrinted(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer | string) => {
      text += chunk.toString();
      if (pattern.test(text)) settle(() => resolve(text));
    };
    const onEnd = () => settle(() => reject(new Error(`${pattern} was not printed, only: ${text}`)));
    const settle = (then: () => void) => {
      stream.off('data', onData);
      stream.off('end', onEnd);
      then();
    };
    stream.on('data', onData);
    stream.on('end', onEnd);
  });
}
