import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Pod } from '../../src/api/kubernetes/core-v1.ts';
import { startUp } from '../../test/e2e/fairlead-process.ts';
import { Connection } from './connection.ts';
import { json } from './objects.ts';

const launcher = join(import.meta.dirname, '../../bin/fairlead');
const pods = '/api/v1/namespaces/default/pods';

/** A cluster with a running pod `stream`, which has printed `logBytes` of text. */
export interface StreamingCluster extends AsyncDisposable {
  readonly kubeconfig: string;
}

/** With `separate`, API server and node are processes of their own, as on two machines. */
export async function startStreamingCluster(options: {
  separate: boolean;
  logBytes: number;
}): Promise<StreamingCluster> {
  await using parts = new AsyncDisposableStack();
  const { kubeconfig } = parts.use(
    await startUp({ args: ['--secure-port', '0', ...(options.separate ? ['--no-node'] : ['--no-demo'])] }),
  );
  if (options.separate) parts.use(await joinNode(kubeconfig));
  const connection = parts.use(await Connection.open(kubeconfig));
  const script = `head -c ${Math.ceil((options.logBytes * 3) / 4)} /dev/zero | base64; while sleep 1; do :; done`;
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'stream' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'busybox', command: ['sh', '-c', script] }],
    },
  };
  const body = JSON.stringify(pod);
  // Refused until the namespace's service account is there.
  await eventually(() => connection.call({ method: 'POST', path: pods, headers: json, body }));
  await eventually(async () => {
    const { body: log } = await connection.call({ path: `${pods}/stream/log` });
    if (log.length < options.logBytes) throw new Error(`The pod has printed only ${log.length} bytes`);
  });
  const owned = parts.move();
  return { kubeconfig, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function joinNode(kubeconfig: string): Promise<AsyncDisposable> {
  const { stdout } = await promisify(execFile)('sh', [launcher, 'token', 'create', '--kubeconfig', kubeconfig]);
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-node-'));
  const args = ['join', stdout.trim(), '--data-dir', directory, '--port', '0', '--hostname-override', 'bench'];
  const child = spawn('sh', [launcher, ...args], { stdio: 'ignore' });
  return {
    async [Symbol.asyncDispose]() {
      await ended(child);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGINT');
  await exit;
}

/** What comes about by itself has no event for somebody outside. @throws what failed last, after 30 s */
async function eventually(attempt: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await wait(100);
    }
  }
}
