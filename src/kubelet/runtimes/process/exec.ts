import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type FileHandle, open, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { type ExecRequest, RuntimeError } from '../runtime.ts';
import { holdFifo, makeFifos, readFifo } from './fifo.ts';
import { enterNetwork, helperEnvironment } from './isolation.ts';
import { openTerminal } from './pty.ts';
import { execScript } from './supervisor-script.ts';

/** Where a command runs: beside the process that heads the container. */
export interface ExecTarget {
  /** Absent in plain mode: the command is then a process of the host. */
  readonly enterPid: number | undefined;
  readonly networkNamespace: string | undefined;
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
  const network = enterNetwork(target.networkNamespace);
  const inside = ['bash', '--norc', '-p', '-c', execScript, 'fairlead', target.workingDir, ...request.command];
  const args = ['--norc', '-p', '-c', openEnv, 'fairlead', target.envFile, ...network, ...enter, ...inside];
  const env = { ...helperEnvironment, ...target.oddEnv, ...(request.tty && { TERM: 'xterm' }) };
  return request.tty ? runOnTerminal(args, env, request) : runOnPipes(args, env, request, dirname(target.envFile));
}

async function runOnPipes(
  args: string[],
  env: Record<string, string>,
  { stdin, stdout, stderr, signal }: ExecRequest,
  directory: string,
): Promise<number> {
  await using pipes = new AsyncDisposableStack();
  const [output, errors] = await Promise.all([
    stdout && openPipe(directory, pipes),
    stderr && openPipe(directory, pipes),
  ]);
  const child = spawn('bash', args, {
    env,
    cwd: '/',
    detached: true, // a group of its own, which can be killed as one
    stdio: [stdin ? 'pipe' : 'ignore', output?.childEnd.fd ?? 'ignore', errors?.childEnd.fd ?? 'ignore'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  await Promise.all([output, errors].map((pipe) => pipe?.release()));
  const kill = () => killGroup(child);
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  try {
    if (stdin && child.stdin) void pipeline(stdin, child.stdin).catch(() => {}); // the command may end before its input
    const outputs = [carry(output?.ourEnd, stdout, kill), carry(errors?.ourEnd, stderr, kill)];
    const [code, signalName] = await exited;
    await Promise.all(outputs);
    return code ?? 128 + constants.signals[signalName ?? 'SIGKILL'];
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

interface Pipe {
  readonly ourEnd: Socket;
  readonly childEnd: FileHandle;
  /** Once the child has its end: ours sees its end from now on. */
  release(): Promise<void>;
}

/** A real pipe for output. Node's own stdio are sockets, which programs cannot open again as `/dev/stdout`. */
async function openPipe(directory: string, owner: AsyncDisposableStack): Promise<Pipe> {
  const path = join(directory, `exec-${randomBytes(8).toString('hex')}`);
  await makeFifos([path]);
  owner.defer(() => rm(path, { force: true }));
  const hold = owner.use(await holdFifo(path));
  const ourEnd = await readFifo(path);
  const childEnd = owner.use(await open(path, 'w'));
  return {
    ourEnd,
    childEnd,
    release: async () => {
      await rm(path, { force: true });
      await Promise.all([hold.close(), childEnd.close()]);
    },
  };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

/** Carries output to the client and ends it. A client that is gone ends the command. */
async function carry(from: Readable | undefined, to: Writable | undefined, gone: () => void): Promise<void> {
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
    // A stream's other direction is the client's to end.
    await finished(stdout, { readable: false }).catch(() => {}); // a client that left needs no last bytes
  }
  return code;
}
