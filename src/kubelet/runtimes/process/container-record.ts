import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerConfig, ContainerInstance, ContainerState, Mount, SandboxConfig } from '../runtime.ts';
import { makeFifos } from './fifo.ts';
import type { ProcessIdentity } from './process-table.ts';

/** What is known of one container, kept in `container.json` of its directory so that the next agent knows it too. */
export interface ContainerRecord extends Omit<ContainerInstance, 'state'> {
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly stopSignal: string;
  readonly workingDir: string;
  /** Names that bash cannot hold (`data-1`), so that they travel in the process' own environment. */
  readonly oddEnv: Readonly<Record<string, string>>;
  /** The container whose namespaces it joins. */
  readonly targetContainerId?: string;
  state: ContainerState;
  supervisor?: ProcessIdentity;
}

/** Writes everything the supervisor reads. The directory is private: it holds the environment. */
export async function writeContainerFiles(
  directory: string,
  options: {
    readonly config: ContainerConfig;
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly mounts: readonly Mount[];
    readonly workingDir: string;
    readonly hostname: string;
  },
): Promise<void> {
  const { config, argv, env, mounts, workingDir, hostname } = options;
  const list = (items: readonly string[]) => items.map((item) => `${item}\0`).join('');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files: Record<string, string> = {
    argv: list(argv),
    env: list(Object.entries(env).map(([name, value]) => `${name}=${value}`)),
    mounts: list(mounts.flatMap((mount) => [mount.hostPath, mount.containerPath, mount.readOnly ? 'ro' : 'rw'])),
    workdir: `${workingDir}\0`,
    hostname,
    exit: '',
    'setup.log': '',
    ...(config.tty && { tty: '' }),
  };
  const fifos = ['stdout', 'stderr', 'alive', 'hold', ...(config.stdin ? ['stdin'] : [])];
  await Promise.all([
    ...Object.entries(files).map(([name, text]) => writeFile(join(directory, name), text, { mode: 0o600 })),
    makeFifos(fifos.map((name) => join(directory, name))),
  ]);
}

export function isPlainName(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name);
}

/** `/etc/hosts` of a pod, as upstream writes it. */
export function formatHosts(config: SandboxConfig): string {
  return [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    `${config.ip}\t${config.hostname}`,
    ...config.hostAliases.map(({ ip, hostnames }) => [ip, ...hostnames].join('\t')),
    '',
  ].join('\n');
}

export async function writeRecord(directory: string, name: string, record: unknown): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, name);
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** `undefined` where there is none, or one that was never finished. */
export async function readRecord<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T; // written by writeRecord, in a directory that only we can write
  } catch {
    return undefined;
  }
}

export interface ExitReport {
  readonly exitCode: number;
  readonly finishedAtMs: number;
  readonly reason: string;
  readonly message: string;
}

/** What the supervisor wrote to `exit`; `undefined` while the container runs. */
export async function readExit(directory: string): Promise<ExitReport | undefined> {
  const path = join(directory, 'exit');
  const text = await readFile(path, 'utf8').catch(() => '');
  if (!text.endsWith('\n')) return undefined;
  const finishedAtMs = (await stat(path)).mtimeMs;
  const failed = /^failed ([\s\S]*)\n$/.exec(text);
  if (failed) return { exitCode: 128, finishedAtMs, reason: 'StartError', message: failed[1] ?? '' };
  const exitCode = Number(/^exited (\d+)\n$/.exec(text)?.[1] ?? 255);
  return { exitCode, finishedAtMs, reason: exitCode === 0 ? 'Completed' : 'Error', message: '' };
}
