import { randomBytes } from 'node:crypto';
import { type Duplex, duplexPair } from 'node:stream';
import { finished } from 'node:stream/promises';
import {
  type AttachRequest,
  type ContainerConfig,
  type ContainerInstance,
  type ContainerState,
  type ContainerStats,
  type ExecRequest,
  type ImageRequest,
  type LogRequest,
  type Runtime,
  RuntimeError,
  type RuntimeEvent,
  type Sandbox,
  type SandboxConfig,
} from '../runtime.ts';
import { formatSimulatedLog } from './simulated-log.ts';
import type { SimulatedContainer, Simulation } from './simulation.ts';

interface Entry {
  readonly container: SimulatedContainer;
  readonly stopped: AbortController;
  readonly ended: PromiseWithResolvers<void>;
  readonly instance: Omit<ContainerInstance, 'state'>;
  state: ContainerState;
}

const stoppedBySignal = 143;

/** Containers that run nothing: any image is Running after a set delay, and functions play what it does. All of it is in memory. */
export class SimulatedRuntime implements Runtime {
  readonly name = 'fairlead-simulated';
  readonly version: string;
  readonly annotations: Readonly<Record<string, string>> = {};
  readonly #simulation: Simulation;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: RuntimeEvent) => void>();

  constructor(simulation: Simulation, options: { version: string }) {
    this.#simulation = simulation;
    this.version = options.version;
  }

  async recover(): Promise<void> {}

  subscribe(listener: (event: RuntimeEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async runSandbox({ pod, ip, logDirectory }: SandboxConfig): Promise<Sandbox> {
    const sandbox: Sandbox = { id: newId(), pod, ip, createdAtMs: Date.now(), state: 'ready', logDirectory };
    this.#sandboxes.set(sandbox.id, sandbox);
    return sandbox;
  }

  async stopSandbox(id: string): Promise<void> {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) return;
    this.#sandboxes.set(id, { ...sandbox, state: 'notReady' });
    for (const entry of this.#entries.values()) if (entry.instance.sandboxId === id) this.#end(entry, 137);
  }

  async removeSandbox(id: string): Promise<void> {
    await this.stopSandbox(id);
    for (const [containerId, { instance }] of this.#entries) {
      if (instance.sandboxId === id) this.#entries.delete(containerId);
    }
    this.#sandboxes.delete(id);
  }

  listSandboxes(): readonly Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  async pullImage({ image }: ImageRequest): Promise<string> {
    return `fairlead-simulated/${image}`;
  }

  async createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox) throw new RuntimeError('NotFound', `no sandbox ${sandboxId}`);
    const { name, image, command, args, env, attempt, hash, tty } = config;
    const id = newId();
    this.#entries.set(id, {
      container: { pod: sandbox.pod, name, image, command, args, env, attempt },
      stopped: new AbortController(),
      ended: Promise.withResolvers(),
      instance: {
        id,
        sandboxId,
        podUid: sandbox.pod.uid,
        name,
        attempt,
        image,
        imageId: `fairlead-simulated/${image}`,
        hash,
        tty,
        createdAtMs: Date.now(),
        logPath: '',
      },
      state: { phase: 'created' },
    });
    return id;
  }

  async startContainer(id: string): Promise<void> {
    const entry = this.#find(id);
    const { startDelayMs = 0, run } = this.#simulation;
    if (startDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, startDelayMs).unref());
    if (entry.state.phase !== 'created') return;
    entry.state = { phase: 'running', startedAtMs: Date.now() };
    this.#emit('started', entry);
    if (!run) return;
    void run(entry.container, { signal: entry.stopped.signal }).then(
      (code) => this.#end(entry, code),
      (error: unknown) => this.#end(entry, 1, (error as Error).message),
    );
  }

  async stopContainer(id: string, { graceMs }: { graceMs: number }): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry || entry.state.phase === 'exited') return;
    entry.stopped.abort();
    if (!this.#simulation.run) return this.#end(entry, stoppedBySignal);
    const timer = setTimeout(() => this.#end(entry, 137), graceMs);
    await entry.ended.promise;
    clearTimeout(timer);
  }

  async removeContainer(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry) this.#end(entry, 137);
    this.#entries.delete(id);
  }

  listContainers(): readonly ContainerInstance[] {
    return [...this.#entries.values()].map(({ instance, state }) => ({ ...instance, state }));
  }

  async exec(id: string, request: ExecRequest): Promise<number> {
    const { container } = this.#running(id);
    const { stdin, stdout, stderr, resizes, command, tty, signal } = request;
    const result = await this.#simulation.exec?.(container, { command, tty, stdin, stdout, stderr, resizes, signal });
    if (typeof result === 'object') {
      if (result.stdout !== undefined) stdout?.write(result.stdout);
      if (result.stderr !== undefined) (stderr ?? stdout)?.write(result.stderr);
    }
    for (const output of [stdout, stderr]) {
      if (!output) continue;
      if (!output.writableEnded) output.end();
      await finished(output, { readable: false }).catch(() => {}); // a client that left needs no last bytes
    }
    return typeof result === 'object' ? (result.exitCode ?? 0) : (result ?? 0);
  }

  async attach(id: string, { stdout, stderr, signal }: AttachRequest): Promise<void> {
    const entry = this.#running(id);
    const left = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => left.resolve(), { once: true });
    await Promise.race([entry.ended.promise, left.promise]);
    stdout?.end();
    stderr?.end();
  }

  async openPort(sandboxId: string, port: number): Promise<Duplex> {
    const sandbox = this.#sandboxes.get(sandboxId);
    const { portForward } = this.#simulation;
    if (sandbox?.state !== 'ready') throw new RuntimeError('NotFound', `no running sandbox ${sandboxId}`);
    if (!portForward) throw new RuntimeError('NotFound', `connect ECONNREFUSED ${sandbox.ip}:${port}`);
    const [client, server] = duplexPair();
    server.on('error', () => {}); // the other half sees it
    void (async () => portForward(sandbox.pod, { port, stream: server }))().catch((error: unknown) => {
      client.destroy(error as Error);
      server.destroy();
    });
    return client;
  }

  async stats(id: string): Promise<ContainerStats | undefined> {
    const running = this.#entries.get(id)?.state.phase === 'running';
    return running ? { cpuNanos: 0, memoryBytes: 0, rssBytes: 0, processes: 1 } : undefined;
  }

  readLog(id: string, options: LogRequest): AsyncIterable<Uint8Array> {
    const entry = this.#find(id);
    const { follow, signal } = options;
    const lines = this.#simulation.logs?.(entry.container, { follow, signal }) ?? [];
    return formatSimulatedLog(lines, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const entry of this.#entries.values()) this.#end(entry, stoppedBySignal);
    this.#listeners.clear();
  }

  #end(entry: Entry, exitCode: number, message = ''): void {
    if (entry.state.phase === 'exited') return;
    entry.stopped.abort();
    const finishedAtMs = Date.now();
    const startedAtMs = entry.state.phase === 'running' ? entry.state.startedAtMs : finishedAtMs;
    const reason = exitCode === 0 ? 'Completed' : 'Error';
    entry.state = { phase: 'exited', startedAtMs, finishedAtMs, exitCode, reason, message };
    entry.ended.resolve();
    this.#emit('exited', entry);
  }

  #emit(type: RuntimeEvent['type'], { instance }: Entry): void {
    for (const listener of this.#listeners) listener({ type, containerId: instance.id, podUid: instance.podUid });
  }

  #find(id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw new RuntimeError('NotFound', `no container ${id}`);
    return entry;
  }

  #running(id: string): Entry {
    const entry = this.#find(id);
    if (entry.state.phase !== 'running') throw new RuntimeError('NotRunning', `container not running (${id})`);
    return entry;
  }
}

function newId(): string {
  return randomBytes(32).toString('hex');
}
