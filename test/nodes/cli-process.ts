import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A running `fairlead …`. Disposal kills it. */
export interface CliProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** All that it has printed so far, standard error included. */
  readonly output: string;
  /** Sends the signal and resolves with the exit code, or the name of the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | string>;
  /** Resolves when it has ended by itself. */
  ended(): Promise<number | string>;
}

const launcher = join(import.meta.dirname, '../../bin/fairlead');

/** Starts the command line program as a process of its own. */
export function startCli(args: readonly string[]): CliProcess {
  const child = spawn('sh', [launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-100_000);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const closed = once(child, 'close');
  const ended = async () => {
    await closed;
    return child.exitCode ?? child.signalCode ?? 'unknown';
  };
  const end = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return ended();
  };
  return {
    child,
    get output() {
      return output;
    },
    end,
    ended,
    [Symbol.asyncDispose]: async () => void (await end('SIGKILL')),
  };
}

/** Runs a command to its end. @throws with its output if it fails */
export async function runCli(args: readonly string[]): Promise<string> {
  await using cli = startCli(args);
  const code = await cli.ended();
  if (code !== 0) throw new Error(`fairlead ${args.join(' ')} ended with ${code}: ${cli.output}`);
  return cli.output;
}
