import type { IPty } from '@lydell/node-pty';
import { RuntimeError, type TerminalSize } from '../runtime.ts';

/** A program on a pseudo-terminal of the agent's own. */
export interface Terminal {
  readonly pid: number;
  onData(listener: (chunk: Buffer) => void): void;
  write(chunk: Buffer): void;
  pause(): void;
  resume(): void;
  resize(size: TerminalSize): void;
  kill(): void;
  /** Resolves with the exit code, 128 and more for a signal. */
  readonly exited: Promise<number>;
}

/** Loaded when the first terminal is asked for: the package is optional and native. */
export async function openTerminal(
  file: string,
  args: readonly string[],
  options: { env: Readonly<Record<string, string>>; size?: TerminalSize },
): Promise<Terminal> {
  const { spawn } = await import('@lydell/node-pty').catch((error: unknown) => {
    throw new RuntimeError(
      'Unsupported',
      'no terminal on this node: the optional package @lydell/node-pty is missing',
      {
        cause: error,
      },
    );
  });
  const pty: IPty = spawn(file, [...args], {
    name: 'xterm',
    cols: options.size?.width || 80,
    rows: options.size?.height || 24,
    cwd: '/',
    env: { ...options.env },
    encoding: null,
  });
  const exited = new Promise<number>((resolve) => {
    pty.onExit(({ exitCode, signal }) => resolve(signal ? 128 + signal : exitCode));
  });
  return {
    pid: pty.pid,
    // With encoding null the package gives Buffers, which its types do not say.
    onData: (listener) => void pty.onData((data) => listener(data as unknown as Buffer)),
    // Buffers are written as they are (1.1), which its types do not say.
    write: (chunk) => pty.write(chunk as unknown as string),
    pause: () => pty.pause(),
    resume: () => pty.resume(),
    resize: ({ width, height }) => pty.resize(Math.max(1, width), Math.max(1, height)),
    kill: () => pty.kill('SIGHUP'),
    exited,
  };
}
