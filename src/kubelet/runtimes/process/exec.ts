import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { type ExecRequest, RuntimeError } from '../runtime.ts';
import { helperEnvironment } from './isolation.ts';
import { openTerminal } from './pty.ts';
import { execScript } from './supervisor-script.ts';

/** Where a command runs: beside the process that heads the container. */
export interface ExecTarget {
  /** Absent in plain mode: the command is then a process of the host. */
  readonly enterPid: number | undefined;
  /** The file with the container's environment. */
  readonly envFile: string;
  readonly oddEnv: Readonly<Record<string, string>>;
  readonly workingDir: string;
}

/** The environment comes by file, so that its secrets never stand in a command line. */
const openEnv = 'exec 3<"$1"; shift; exec "$@"';

/** Runs a command in a container. Resolves with its exit code, 128 plus the number for a signal, once its streams have ended. */
export async function execInContainer(target: ExecTarget, request: ExecRequest): Promise<number> {
  const enter =
    target.enterPid === undefined
      ? []
      : ['nsenter', '-t', String(target.enterPid), '-U', '-m', '-u', '-p', '--preserve-credentials', '--'];
  const inside = ['bash', '--norc', '-p', '-c', execScript, 'fairlead', target.workingDir, ...request.command];
  const args = ['--norc', '-p', '-c', openEnv, 'fairlead', target.envFile, ...enter, ...inside];
  const env = { ...helperEnvironment, ...target.oddEnv, ...(request.tty && { TERM: 'xterm' }) };
  return request.tty ? runOnTerminal(args, env, request) : runOnPipes(args, env, request);
}

async function runOnPipes(args: string[], env: Record<string, string>, request: ExecRequest): Promise<number> {
  const { stdin, stdout, stderr, signal } = request;
  const child = spawn('bash', args, {
    env,
    cwd: '/',
    detached: true, // a group of its own, which can be killed as one
    stdio: [stdin ? 'pipe' : 'ignore', stdout ? 'pipe' : 'ignore', stderr ? 'pipe' : 'ignore'],
  });
  const kill = () => {
    if (child.pid === undefined || child.exitCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      child.kill('SIGKILL');
    }
  };
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  try {
    if (stdin && child.stdin) void pipeline(stdin, child.stdin).catch(() => {}); // the command may end before its input
    const outputs = [carry(child.stdout, stdout, kill), carry(child.stderr, stderr, kill)];
    const [code, signalName] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    await Promise.all(outputs);
    return code ?? 128 + constants.signals[signalName ?? 'SIGKILL'];
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** Carries output to the client and ends it. A client that is gone ends the command. */
async function carry(from: Readable | null, to: Writable | undefined, gone: () => void): Promise<void> {
  if (!from || !to) return;
  await pipeline(from, to).catch(gone);
}

async function runOnTerminal(args: string[], env: Record<string, string>, request: ExecRequest): Promise<number> {
  const { stdin, stdout, resizes, signal } = request;
  if (signal.aborted) throw new RuntimeError('NotRunning', 'the client is gone');
  const sizes = resizes?.[Symbol.asyncIterator]();
  const terminal = await openTerminal('bash', args, { env });
  const kill = () => terminal.kill();
  signal.addEventListener('abort', kill, { once: true });
  if (stdout) {
    terminal.onData((chunk) => {
      if (stdout.destroyed) return terminal.kill();
      if (stdout.write(chunk)) return;
      terminal.pause();
      stdout.once('drain', () => terminal.resume());
    });
    stdout.once('close', kill);
  }
  stdin?.on('data', (chunk: Buffer) => terminal.write(chunk));
  stdin?.on('error', kill);
  void (async () => {
    for (;;) {
      const next = await sizes?.next();
      if (!next || next.done) return;
      terminal.resize(next.value);
    }
  })().catch(() => {}); // the stream of sizes ends with the client
  const code = await terminal.exited;
  signal.removeEventListener('abort', kill);
  stdout?.off('close', kill);
  if (stdout && !stdout.destroyed) {
    stdout.end();
    await finished(stdout).catch(() => {}); // a client that left needs no last bytes
  }
  return code;
}
