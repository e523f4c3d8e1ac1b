import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../../lib/log.ts';
import {
  type AttachRequest,
  type ContainerConfig,
  type ContainerInstance,
  type ContainerStats,
  type ExecRequest,
  type ImageRequest,
  type Mount,
  type Runtime,
  RuntimeError,
  type RuntimeEvent,
  type Sandbox,
  type SandboxConfig,
} from '../runtime.ts';
import { ContainerProcess } from './container-process.ts';
import {
  type ContainerRecord,
  formatHosts,
  isPlainName,
  readRecord,
  writeContainerFiles,
  writeRecord,
} from './container-record.ts';
import { execInContainer } from './exec.ts';
import { type ImageTable, resolveImage } from './image-table.ts';
import { type Isolation, probeIsolation } from './isolation.ts';
import { linkVolumes } from './plain-root.ts';
import { openPodPort } from './pod-port.ts';
import { usageOf } from './process-table.ts';

export interface ProcessRuntimeOptions {
  /** The runtime's own directory: sandboxes and containers with their files. */
  readonly directory: string;
  readonly version: string;
  readonly images: ImageTable;
  /** What ends when the runtime is disposed. */
  readonly onDispose: 'stop' | 'leave';
  readonly log: Logger;
  /** How often each supervisor looks whether its directory is still there. @default 10 */
  readonly watchSeconds?: number;
  /** @default what the machine can do, probed */
  readonly isolation?: Isolation;
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Containers as host process trees: see `supervisor-script.ts` for what one is. */
export async function openProcessRuntime(options: ProcessRuntimeOptions): Promise<Runtime> {
  const isolation = options.isolation ?? (await probeIsolation());
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  return new ProcessRuntime(options, isolation);
}

class ProcessRuntime implements Runtime {
  readonly name = 'fairlead-process';
  readonly singleUser = true;
  readonly version: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly #options: ProcessRuntimeOptions;
  readonly #isolation: Isolation;
  readonly #log: Logger;
  readonly #sandboxes = new Map<string, { sandbox: Sandbox; config: SandboxConfig }>();
  readonly #containers = new Map<string, ContainerProcess>();
  readonly #listeners = new Set<(event: RuntimeEvent) => void>();
  #closed = false;

  constructor(options: ProcessRuntimeOptions, isolation: Isolation) {
    this.#options = options;
    this.#isolation = isolation;
    this.#log = options.log;
    this.version = options.version;
    this.annotations = {
      'fairlead.dev/container-isolation': isolation.mode === 'root' ? 'private-root' : 'shared-root',
      'fairlead.dev/container-isolation-reason': isolation.reason,
    };
  }

  async recover(): Promise<void> {
    for (const id of await readdir(this.#directory('sandboxes')).catch(() => [])) {
      const known = await readRecord<{ sandbox: Sandbox; config: SandboxConfig }>(
        this.#directory('sandboxes', id, 'sandbox.json'),
      );
      if (known) this.#sandboxes.set(id, known);
      else await rm(this.#directory('sandboxes', id), { recursive: true, force: true });
    }
    for (const id of await readdir(this.#directory('containers')).catch(() => [])) {
      const record = await readRecord<ContainerRecord>(this.#directory('containers', id, 'container.json'));
      if (record?.state.phase === 'created') await this.#process(record).abandon();
      if (!record || record.state.phase === 'created') {
        await this.#removeFiles(id);
        continue;
      }
      const container = this.#track(record);
      await container.adopt();
    }
  }

  subscribe(listener: (event: RuntimeEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async runSandbox(config: SandboxConfig): Promise<Sandbox> {
    const id = randomBytes(32).toString('hex');
    const sandbox: Sandbox = {
      id,
      pod: config.pod,
      ip: config.ip,
      createdAtMs: Date.now(),
      state: 'ready',
      logDirectory: config.logDirectory,
    };
    const known = { sandbox, config };
    await writeRecord(this.#directory('sandboxes', id), 'sandbox.json', known);
    await writeFile(this.#directory('sandboxes', id, 'hosts'), formatHosts(config));
    if (config.resolvConf) await writeFile(this.#directory('sandboxes', id, 'resolv.conf'), config.resolvConf);
    this.#sandboxes.set(id, known);
    return sandbox;
  }

  async stopSandbox(id: string): Promise<void> {
    const known = this.#sandboxes.get(id);
    if (!known || known.sandbox.state === 'notReady') return;
    await Promise.all(this.#of(id).map((container) => container.stop({ graceMs: 0 })));
    const stopped = { ...known, sandbox: { ...known.sandbox, state: 'notReady' as const } };
    this.#sandboxes.set(id, stopped);
    await writeRecord(this.#directory('sandboxes', id), 'sandbox.json', stopped);
  }

  async removeSandbox(id: string): Promise<void> {
    await this.stopSandbox(id);
    for (const container of this.#of(id)) await this.removeContainer(container.record.id);
    await rm(this.#directory('sandboxes', id), { recursive: true, force: true });
    this.#sandboxes.delete(id);
  }

  listSandboxes(): readonly Sandbox[] {
    return [...this.#sandboxes.values()].map(({ sandbox }) => sandbox);
  }

  async pullImage(request: ImageRequest): Promise<string> {
    return resolveImage(this.#options.images, request).imageId;
  }

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    const known = this.#sandboxes.get(sandboxId);
    if (!known) throw new RuntimeError('NotFound', `no sandbox ${sandboxId}`);
    const { imageId, image } = resolveImage(this.#options.images, {
      image: config.image,
      pullPolicy: '',
      hasCommand: config.command.length > 0,
    });
    if (config.tty && !this.#isolation.terminals) {
      throw new RuntimeError('CreateContainerError', 'tty: true needs the program script (util-linux) on this node');
    }
    const id = randomBytes(32).toString('hex');
    const directory = this.#directory('containers', id);
    const argv = config.command.length > 0 ? [...config.command, ...config.args] : [...image.command, ...config.args];
    const mounts: Mount[] = [
      ...(image.mounts ?? []),
      ...['hosts', ...(known.config.resolvConf ? ['resolv.conf'] : [])].map((name) => ({
        hostPath: this.#directory('sandboxes', sandboxId, name),
        containerPath: `/etc/${name}`,
        readOnly: false,
      })),
      ...config.mounts,
    ].sort((a, b) => a.containerPath.split('/').length - b.containerPath.split('/').length);
    const env: Record<string, string> = {
      PATH: defaultPath,
      HOSTNAME: known.config.hostname,
      HOME: '/root',
      FAIRLEAD_POD_IP: known.sandbox.ip,
      ...(config.tty && { TERM: 'xterm' }),
      ...image.env,
      ...config.env,
    };
    let workingDir = config.workingDir;
    if (this.#isolation.mode === 'plain') {
      const plain = await linkVolumes(join(directory, 'root'), { mounts, workingDir });
      Object.assign(env, { FAIRLEAD_ROOT: plain.root });
      workingDir = plain.workingDir;
    }
    const entries = Object.entries(env);
    const oddEnv = Object.fromEntries(entries.filter(([name]) => !isPlainName(name)));
    await writeContainerFiles(directory, {
      config,
      argv,
      env: Object.fromEntries(entries.filter(([name]) => isPlainName(name))),
      mounts,
      workingDir,
      hostname: known.config.hostname,
    });
    const record: ContainerRecord = {
      id,
      sandboxId,
      podUid: known.sandbox.pod.uid,
      name: config.name,
      attempt: config.attempt,
      image: config.image,
      imageId,
      hash: config.hash,
      tty: config.tty,
      createdAtMs: Date.now(),
      logPath: join(known.sandbox.logDirectory, config.name, `${config.attempt}.log`),
      stdin: config.stdin,
      stdinOnce: config.stdinOnce,
      stopSignal: config.stopSignal,
      workingDir,
      oddEnv,
      ...(config.targetContainerId !== undefined && { targetContainerId: config.targetContainerId }),
      state: { phase: 'created' },
    };
    this.#track(record);
    return id;
  }

  async startContainer(id: string): Promise<void> {
    if (this.#closed) throw new RuntimeError('NotRunning', 'the node agent is on its way out');
    const container = this.#find(id);
    const { targetContainerId } = container.record;
    await container.start(targetContainerId === undefined ? undefined : await this.#joinable(targetContainerId));
    this.#emit('started', container.record);
  }

  stopContainer(id: string, options: { graceMs: number }): Promise<void> {
    return this.#find(id).stop(options);
  }

  async removeContainer(id: string): Promise<void> {
    const container = this.#containers.get(id);
    if (!container) return;
    await container.stop({ graceMs: 0 });
    this.#containers.delete(id);
    await this.#removeFiles(id);
  }

  listContainers(): readonly ContainerInstance[] {
    return [...this.#containers.values()].map(({ record }) => record);
  }

  async exec(id: string, request: ExecRequest): Promise<number> {
    const container = this.#running(id);
    const enterPid = this.#isolation.mode === 'root' ? await container.processOne() : undefined;
    const { oddEnv, workingDir, sandboxId } = container.record;
    const networkNamespace = this.#sandboxes.get(sandboxId)?.config.networkNamespace;
    return execInContainer(
      { enterPid, networkNamespace, envFile: this.#directory('containers', id, 'env'), oddEnv, workingDir },
      request,
    );
  }

  async attach(id: string, request: AttachRequest): Promise<void> {
    await this.#running(id).attach(request);
  }

  async openPort(sandboxId: string, port: number, { signal }: { signal: AbortSignal }): Promise<Duplex> {
    const known = this.#sandboxes.get(sandboxId);
    if (known?.sandbox.state !== 'ready') throw new RuntimeError('NotFound', `no running sandbox ${sandboxId}`);
    const processes = async () => {
      const running = this.#of(sandboxId).filter(({ record }) => record.state.phase === 'running');
      return (await Promise.all(running.map((container) => container.processes()))).flat();
    };
    const { networkNamespace } = known.config;
    return openPodPort({
      ip: known.sandbox.ip,
      port,
      processes,
      signal,
      ...(networkNamespace !== undefined && { networkNamespace }),
    });
  }

  async stats(id: string): Promise<ContainerStats | undefined> {
    const container = this.#containers.get(id);
    if (container?.record.state.phase !== 'running') return undefined;
    const pids = await container.processes();
    const usages = (await Promise.all(pids.map(usageOf))).filter((usage) => usage !== undefined);
    const rssBytes = usages.reduce((sum, usage) => sum + usage.rssBytes, 0);
    const cpuNanos = usages.reduce((sum, usage) => sum + usage.cpuNanos, 0);
    return { cpuNanos, memoryBytes: rssBytes, rssBytes, processes: usages.length };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const containers = [...this.#containers.values()];
    if (this.#options.onDispose === 'leave') await Promise.all(containers.map((container) => container.detach()));
    else await Promise.all(containers.map((container) => container.stop({ graceMs: 0 })));
    this.#listeners.clear();
  }

  #track(record: ContainerRecord): ContainerProcess {
    const container = this.#process(record);
    this.#containers.set(record.id, container);
    void container.ended.then(() => this.#emit('exited', record));
    return container;
  }

  #process(record: ContainerRecord): ContainerProcess {
    const directory = this.#directory('containers', record.id);
    const { watchSeconds = 10 } = this.#options;
    const networkNamespace = this.#sandboxes.get(record.sandboxId)?.config.networkNamespace;
    const { mode } = this.#isolation;
    return new ContainerProcess(directory, record, { mode, watchSeconds, networkNamespace, log: this.#log });
  }

  #emit(type: RuntimeEvent['type'], { id, podUid }: ContainerRecord): void {
    for (const listener of this.#listeners) listener({ type, containerId: id, podUid });
  }

  #find(id: string): ContainerProcess {
    const container = this.#containers.get(id);
    if (!container) throw new RuntimeError('NotFound', `no container ${id}`);
    return container;
  }

  /** The process whose namespaces a container with a target shares. A host process sees its target's anyway. */
  async #joinable(targetId: string): Promise<number | undefined> {
    if (this.#isolation.mode === 'plain') return undefined;
    const first = await this.#running(targetId).processOne();
    if (first === undefined) throw new RuntimeError('StartError', `the target container ${targetId} has no process`);
    return first;
  }

  #running(id: string): ContainerProcess {
    const container = this.#find(id);
    if (container.record.state.phase !== 'running')
      throw new RuntimeError('NotRunning', `container not running (${id})`);
    return container;
  }

  #of(sandboxId: string): ContainerProcess[] {
    return [...this.#containers.values()].filter(({ record }) => record.sandboxId === sandboxId);
  }

  #directory(...parts: string[]): string {
    return join(this.#options.directory, ...parts);
  }

  /** An overlay leaves its work directory without permissions: an ordinary user must give them back to remove it. */
  async #removeFiles(id: string): Promise<void> {
    const directory = this.#directory('containers', id);
    for (const name of await readdir(join(directory, 'work')).catch(() => [])) {
      await chmod(join(directory, 'work', name, 'work'), 0o700).catch(() => {});
    }
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
