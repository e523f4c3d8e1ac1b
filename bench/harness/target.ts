import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startUpstreamControlPlane } from '../../test/interop/upstream-control-plane.ts';
import { Connection } from './connection.ts';
import { type ProcessUsage, processUsage } from './process-usage.ts';

/** A server under measurement, in processes of its own. */
export interface Target extends AsyncDisposable {
  readonly kubeconfig: string;
  /** From the start of its first process to the first good answer on `/readyz`. */
  readonly readyMs: number;
  usage(): ProcessUsage;
}

/** Our API server on the embedded store, without controllers. A directory that is given is kept. */
export function startOurs(directory?: string): Promise<Target> {
  return startChild('api-server-process.ts', directory);
}

/** Bare `node:http2`, and for writes bare `node:http2` before the storage engine: what Node itself gives on this machine. */
export function startBare(): Promise<Target> {
  return startChild('bare-server-process.ts');
}

/** kube-apiserver with etcd, without controllers. */
export async function startUpstream(): Promise<Target> {
  const started = performance.now();
  const plane = await startUpstreamControlPlane({ controllers: false });
  const readyMs = performance.now() - started;
  const pids = Object.values(plane.processes).map(({ child }) => child.pid ?? 0);
  return {
    kubeconfig: plane.kubeconfig,
    readyMs,
    usage: () => processUsage(pids),
    [Symbol.asyncDispose]: () => plane[Symbol.asyncDispose](),
  };
}

/** TLS between two processes: the ceiling of everything that streams. It has no HTTP, and so is not asked whether it is ready. */
export function startRawTls(): Promise<Target> {
  return startChild('raw-tls-process.ts');
}

/** A reverse proxy in a few lines of bare Node, with HTTP/2 on TLS before it, to `http://<backend>`. */
export function startBareProxy(backend: string): Promise<Target> {
  return startChild('bare-proxy-process.ts', undefined, [backend]);
}

/** As the launcher sets it. */
const compileCache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'fairlead', 'compile');

async function startChild(program: string, kept?: string, more: readonly string[] = []): Promise<Target> {
  const directory = kept ?? mkdtempSync(join(tmpdir(), 'fairlead-bench-'));
  const started = performance.now();
  const child = fork(join(import.meta.dirname, program), [directory, ...more], {
    execArgv: ['--max-semi-space-size=4', '--disable-warning=ExperimentalWarning', ...profilerArguments(program)],
    env: { MALLOC_ARENA_MAX: '2', ...process.env, NODE_COMPILE_CACHE: compileCache },
  });
  const end = async () => {
    if (child.connected) child.disconnect();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    if (kept === undefined) rmSync(directory, { recursive: true, force: true });
  };
  try {
    const kubeconfig = await announced(child);
    if (program !== 'raw-tls-process.ts') await untilReady(kubeconfig);
    const readyMs = performance.now() - started;
    return { kubeconfig, readyMs, usage: () => processUsage([child.pid ?? 0]), [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function untilReady(kubeconfig: string): Promise<void> {
  await using connection = await Connection.open(kubeconfig);
  await connection.call({ path: '/readyz' });
}

/** The child says where its kubeconfig is once it serves. */
function announced(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('message', (kubeconfig) => resolve(String(kubeconfig)));
    child.once('exit', (code) => reject(new Error(`The server ended with ${code} before it was ready`)));
  });
}

/** `BENCH_CPU_PROFILE=<folder>` writes a profile of our API server there when it ends. */
function profilerArguments(program: string): string[] {
  const folder = process.env['BENCH_CPU_PROFILE'];
  return folder && program.startsWith('api-server') ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : [];
}
