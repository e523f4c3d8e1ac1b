import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface IslandRun extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly kubeconfig: string;
  /** Of the process that holds the island. */
  readonly pid: number;
  /** The node's own. */
  readonly address: string;
  readonly joined: boolean;
  /** Ends it in order. @throws with what it printed when it failed */
  stop(): Promise<void>;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

const program = `${import.meta.dirname}/island-cluster.ts`;

/** Runs a cluster with an island in `directory`, as `user` where one is given. @throws with what it printed when it does not get ready */
export async function runIslandCluster(directory: string, user: User | undefined): Promise<IslandRun> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, directory], {
    ...user,
    env: {
      PATH: process.env['PATH'],
      HOME: directory,
      TMPDIR: directory,
      NODE_COMPILE_CACHE: join(directory, 'cache'),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-20_000);
  });
  const closed = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const ready = Promise.race([
    once(lines, 'line'),
    closed.then(([code]) => Promise.reject(new Error(`the cluster ended with ${code}: ${errors}`))),
  ]);
  const [line] = (await ready) as [string];
  const stop = async () => {
    child.stdin.end();
    const [code] = await closed;
    if (code !== 0) throw new Error(`the cluster ended with ${code}: ${errors}`);
  };
  const facts = JSON.parse(line) as Pick<IslandRun, 'kubeconfig' | 'pid' | 'address' | 'joined'>;
  return {
    ...facts,
    child,
    stop,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
