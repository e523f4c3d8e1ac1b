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

/** Runs `fairlead up` in a data directory of its own and resolves when it says that it is ready. @throws with its output if it ends before */
export async function startUp(
  options: { directory?: string; args?: readonly string[] } = {},
): Promise<FairleadProcess> {
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
  const child = spawn('sh', [launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-20_000);
  });
  const steps: StepEvent[] = [];
  const lines = createInterface({ input: child.stdout });
  await new Promise<void>((resolve, reject) => {
    const fail = (what: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      if (owned) rmSync(directory, { recursive: true, force: true });
      reject(new Error(`fairlead up ${what} before it was ready, after ${JSON.stringify(steps)}: ${errors}`));
    };
    const timer = setTimeout(() => fail('took more than a minute'), 60_000);
    lines.on('line', (line) => {
      const event = JSON.parse(line) as StepEvent;
      steps.push(event);
      if (event.step !== 'ready') return;
      clearTimeout(timer);
      resolve();
    });
    child.once('close', (code) => fail(`ended with ${code}`));
  });
  const interrupt = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGINT');
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
