import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { helperEnvironment } from '../runtimes/process/isolation.ts';

const ipTimeoutMs = 10_000;

/**
 * Runs commands of `ip`, one a line, all in one process: `link set lo up`.
 * @param options.enter what to run it with, for example `nsenter --net=<file>`
 * @throws {Error} with what `ip` said, at the first command that fails
 */
export async function runIp(
  commands: readonly string[],
  { enter = [], signal }: { enter?: readonly string[]; signal?: AbortSignal } = {},
): Promise<void> {
  await runHelper([...enter, 'ip', '-batch', '-'], { input: `${commands.join('\n')}\n`, ...(signal && { signal }) });
}

/** Runs a helper program to its end. @throws {Error} with the last line that it said on stderr */
export async function runHelper(
  [file = '', ...args]: readonly string[],
  { input = '', signal }: { input?: string; signal?: AbortSignal } = {},
): Promise<string> {
  const child = spawn(file, args, {
    env: helperEnvironment,
    timeout: ipTimeoutMs,
    killSignal: 'SIGKILL',
    ...(signal && { signal }),
  });
  child.stdin.on('error', () => {}); // it ended without reading everything: its exit code tells
  child.stdin.end(input);
  const [stdout, stderr, [code, killedBy]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (code === 0) return stdout;
  const lines = stderr.trim().split('\n');
  const said = lines.find((line) => /error|cannot|failed|denied/i.test(line)) ?? lines.at(-1);
  throw new Error(`${file} failed: ${said || `exit ${code ?? killedBy}`}`);
}
