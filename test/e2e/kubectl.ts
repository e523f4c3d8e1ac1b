import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubectlBinary } from './kubectl-binaries.ts';
import { type Invocation, RunningCommand, TerminalCommand } from './running-command.ts';

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

/** Commands over SPDY/3.1, as versions before 1.31 (exec, attach, cp) and 1.35 (port-forward) speak it first. */
export const spdy = {
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false',
  KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false',
} as const;

/** Commands over WebSocket, with `v5.channel.k8s.io` or tunnelled SPDY. */
export const webSocket = {
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'true',
  KUBECTL_PORT_FORWARD_WEBSOCKETS: 'true',
} as const;

/** One kubectl with a kubeconfig, a cache and a scratch folder of its own. */
export class Kubectl implements Disposable {
  readonly binary: KubectlBinary;
  readonly scratch = mkdtempSync(join(tmpdir(), 'fairlead-kubectl-'));
  readonly #kubeconfig: string;
  readonly #namespace: string | undefined;
  readonly #running = new Set<Disposable>();

  constructor(binary: KubectlBinary, options: { kubeconfig: string; namespace?: string }) {
    this.binary = binary;
    this.#kubeconfig = options.kubeconfig;
    this.#namespace = options.namespace;
  }

  /** Starts it; whoever starts it ends it, or disposal does. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCommand {
    return this.#own(new RunningCommand(this.binary.path, this.#invocation(args, env)));
  }

  /** Starts it on a terminal of 91 columns and 31 rows. */
  startTerminal(args: readonly string[], env: Readonly<Record<string, string>> = {}): TerminalCommand {
    const size = { cols: 91, rows: 31 };
    return this.#own(new TerminalCommand(this.binary.path, { ...this.#invocation(args, env), ...size }));
  }

  /** Runs it to its end. Fails, with all it printed, when the exit code is another than expected. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<KubectlResult> {
    const command = this.start(args, options.env);
    const timer = setTimeout(() => command.child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
    command.child.stdin.end(options.stdin ?? '');
    const exit = await command.ended;
    clearTimeout(timer);
    const { stdout, stderr } = command;
    const result = { code: exit ?? -1, stdout, stderr };
    const expected = options.code ?? 0;
    if (expected !== 'any') {
      assert.equal(result.code, expected, `kubectl ${args.join(' ')}\nstdout: ${stdout}\nstderr: ${stderr}`);
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

  /** Deletes without a word and without waiting. */
  async discard(...names: readonly string[]): Promise<void> {
    await this.run(['delete', '--wait=false', '--ignore-not-found', ...names]);
  }

  /** A file in the scratch folder. */
  file(name: string, content: string | Uint8Array): string {
    const path = join(this.scratch, name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    for (const command of this.#running) command[Symbol.dispose]();
    rmSync(this.scratch, { recursive: true, force: true });
  }

  #own<T extends Disposable & { readonly ended: Promise<unknown> }>(command: T): T {
    this.#running.add(command);
    const forget = () => void this.#running.delete(command);
    command.ended.then(forget, forget);
    return command;
  }

  #invocation(args: readonly string[], env: Readonly<Record<string, string>>): Invocation {
    const { PATH = '' } = process.env;
    return {
      args: [...(this.#namespace ? ['--namespace', this.#namespace] : []), ...args],
      env: { PATH, HOME: this.scratch, KUBECONFIG: this.#kubeconfig, TERM: 'xterm', ...env },
      cwd: this.scratch,
    };
  }
}
