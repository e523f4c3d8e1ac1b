import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

interface StepEvent {
  readonly step: string;
  readonly state: string;
  readonly message: string;
}

export interface FairleadProcess extends AsyncDisposable {
  readonly directory: string;
  readonly kubeconfig: string;
  readonly steps: readonly StepEvent[];
  readonly child: ChildProcess;
  /** SIGINT, as Ctrl-C sends; resolves with the exit code. */
  interrupt(): Promise<number | null>;
}

const launcher = join(import.meta.dirname, '../../bin/fairlead');

export interface StartOptions {
  /** @default one of its own, which disposal removes */
  readonly directory?: string;
  readonly args?: readonly string[];
  /** Another user to run as, for tests that run as root. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly home: string };
  /** What runs `fairlead`. @default the launcher of this tree */
  readonly command?: {
    readonly file: string;
    readonly args: readonly string[];
    readonly cwd?: string;
    readonly path?: string;
  };
}

/** Runs `fairlead up` in a data directory of its own and resolves when it says that it is ready. @throws with its output if it ends before */
export async function startUp(options: StartOptions = {}): Promise<FairleadProcess> {
  const owned = options.directory === undefined;
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'fairlead-up-'));
  const kubeconfig = join(directory, 'kubeconfig');
  const args = [
    'up',
    '--data-dir',
    join(directory, 'data'),
    '--kubeconfig',
    kubeconfig,
    '--output',
    'json',
    ...(options.args ?? []),
  ];
  const { user, command = { file: 'sh', args: [launcher] } } = options;
  const child = spawn(command.file, [...command.args, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(command.cwd !== undefined && { cwd: command.cwd }),
    ...(user && { uid: user.uid, gid: user.gid }),
    detached: true, // a process group of its own, which Ctrl-C reaches as a whole
    env: {
      ...process.env,
      ...(user && { HOME: user.home, XDG_CACHE_HOME: join(user.home, '.cache') }),
      ...(command.path !== undefined && { PATH: command.path }),
    },
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-20_000);
  });
  const steps: StepEvent[] = [];
  const lines = createInterface({ input: child.stdout });
  await new Promise<void>((resolve, reject) => {
    const fail = (what: string) => {
      clearTimeout(timer);
      signalGroup(child, 'SIGKILL');
      if (owned) rmSync(directory, { recursive: true, force: true });
      reject(new Error(`fairlead up ${what} before it was ready, after ${JSON.stringify(steps)}: ${errors}`));
    };
    const timer = setTimeout(() => fail('took more than a minute'), 60_000);
    lines.on('line', (line) => {
      const event = JSON.parse(line) as StepEvent;
      steps.push(event);
      if (event.step !== 'ready') return;
      clearTimeout(timer);
      child.off('close', ended);
      resolve();
    });
    const ended = (code: number | null) => fail(`ended with ${code}`);
    child.once('close', ended);
  });
  const interrupt = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      signalGroup(child, 'SIGINT');
      await once(child, 'close');
    }
    return child.exitCode;
  };
  return {
    directory,
    kubeconfig,
    steps,
    child,
    interrupt,
    async [Symbol.asyncDispose]() {
      await interrupt();
      if (owned) rmSync(directory, { recursive: true, force: true });
    },
  };
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
