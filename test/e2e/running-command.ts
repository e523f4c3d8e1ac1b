import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { type IPty, spawn as spawnTerminal } from '@lydell/node-pty';

export interface Invocation {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

const deadlineMs = 30_000;

/** What a running command has printed so far, kept from its start, so that nothing is missed between two looks. */
class Transcript {
  text = '';
  #ended = false;
  readonly #waiting = new Set<() => void>();

  add(text: string): void {
    this.text += text;
    for (const look of this.#waiting) look();
  }

  end(): void {
    this.#ended = true;
    for (const look of this.#waiting) look();
  }

  /** Resolves with all that was printed once it matches. @throws with all that was printed when the command ends, or half a minute passes, before */
  matches(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        then();
      };
      const fail = () => settle(() => reject(new Error(`${pattern} was not printed, only: ${this.text}`)));
      const look = () => {
        if (pattern.test(this.text)) settle(() => resolve(this.text));
        else if (this.#ended) fail();
      };
      const timer = setTimeout(fail, deadlineMs);
      this.#waiting.add(look);
      look();
    });
  }
}

/** A command that runs beside the test, on pipes. */
export class RunningCommand implements Disposable {
  readonly child: ChildProcessWithoutNullStreams;
  /** Its exit code, once its output has been read to the end; `null` if a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #output = new Transcript();
  readonly #errors = new Transcript();

  constructor(command: string, { args, env, cwd }: Invocation) {
    this.child = spawn(command, args, { env, cwd });
    this.child.stdin.on('error', () => {}); // it may end without having read all
    const streams = [
      [this.child.stdout, this.#output],
      [this.child.stderr, this.#errors],
    ] as const;
    for (const [stream, transcript] of streams) {
      stream.setEncoding('utf8').on('data', (text: string) => transcript.add(text));
      stream.once('end', () => transcript.end());
    }
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', resolve);
    });
  }

  get stdout(): string {
    return this.#output.text;
  }

  get stderr(): string {
    return this.#errors.text;
  }

  printed(pattern: RegExp): Promise<string> {
    return this.#output.matches(pattern);
  }

  complained(pattern: RegExp): Promise<string> {
    return this.#errors.matches(pattern);
  }

  /** SIGINT, as Ctrl-C sends; resolves with the exit code. */
  interrupt(): Promise<number | null> {
    this.child.kill('SIGINT');
    return this.ended;
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

/** A command on a terminal, as a person uses it. */
export class TerminalCommand implements Disposable {
  readonly ended: Promise<number>;
  readonly #terminal: IPty;
  readonly #output = new Transcript();

  constructor(command: string, { args, env, cwd, cols, rows }: Invocation & { cols: number; rows: number }) {
    this.#terminal = spawnTerminal(command, [...args], { cols, rows, env: { ...env }, cwd });
    this.#terminal.onData((text) => this.#output.add(text));
    this.ended = new Promise((resolve) => {
      this.#terminal.onExit(({ exitCode }) => {
        this.#output.end();
        resolve(exitCode);
      });
    });
  }

  /** Terminals wrap and colour what they show: patterns must not span lines. */
  printed(pattern: RegExp): Promise<string> {
    return this.#output.matches(pattern);
  }

  type(text: string): void {
    this.#terminal.write(text);
  }

  resize(cols: number, rows: number): void {
    this.#terminal.resize(cols, rows);
  }

  [Symbol.dispose](): void {
    try {
      this.#terminal.kill('SIGKILL');
    } catch {
      // it has ended already
    }
  }
}
