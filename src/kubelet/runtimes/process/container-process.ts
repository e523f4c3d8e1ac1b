import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../lib/log.ts';
import { type AttachRequest, type ContainerState, RuntimeError, type TerminalSize } from '../runtime.ts';
import { ContainerLog } from './container-log.ts';
import { type ContainerRecord, type ExitReport, readExit, writeRecord } from './container-record.ts';
import { holdFifo, readFifo, writeFifo } from './fifo.ts';
import { enterNetwork, helperEnvironment, type Isolation, unshareArguments } from './isolation.ts';
import { childrenOf, findProcesses, identifyProcess, isAlive, isWatcher, treeOf } from './process-table.ts';
import { supervisorScript } from './supervisor-script.ts';

/** How long the last output of an ended container may take: without a PID namespace something may still hold its streams. */
const drainMs = 2000;
const maxPollMs = 500;

/**
 * One container and its supervisor, from start (or adoption by a new agent) to its end: carries its output to the log and to those
 * attached, keeps its stdin, stops it, and writes down how it ended.
 */
export class ContainerProcess {
  readonly record: ContainerRecord;
  /** Resolves once the container has ended and its log is complete. */
  readonly ended: Promise<void>;
  readonly #directory: string;
  readonly #mode: Isolation['mode'];
  readonly #watchSeconds: number;
  readonly #networkNamespace: string | undefined;
  readonly #log: Logger;
  readonly #end = Promise.withResolvers<void>();
  readonly #started = Promise.withResolvers<void>();
  readonly #sinks: Record<'stdout' | 'stderr', Set<Writable>> = { stdout: new Set(), stderr: new Set() };
  readonly #letGo: (() => void)[] = [];
  readonly #released = Promise.withResolvers<void>();
  #stdin: Socket | undefined;
  #starting: Promise<void> | undefined;
  #detached = false;

  constructor(
    directory: string,
    record: ContainerRecord,
    options: {
      mode: Isolation['mode'];
      watchSeconds: number;
      /** The pod's. @default the agent's */
      networkNamespace: string | undefined;
      log: Logger;
    },
  ) {
    this.#directory = directory;
    this.record = record;
    this.#mode = options.mode;
    this.#networkNamespace = options.networkNamespace;
    this.#watchSeconds = options.watchSeconds;
    this.#log = options.log;
    this.ended = this.#end.promise;
    this.#started.promise.catch(() => {}); // `start` reports it; an adopted container has no caller
  }

  /**
   * Starts the supervisor and resolves once the container's own program is about to run. `join` is a process whose namespaces the
   * container shares. @throws {RuntimeError} `StartError`
   */
  start(join?: number): Promise<void> {
    this.#starting ??= this.#start(join).catch(async (error: unknown) => {
      if (this.record.supervisor) await this.ended; // it is then listed with its end
      throw error;
    });
    return this.#starting;
  }

  async #start(join: number | undefined): Promise<void> {
    const holds = await Promise.all(['stdout', 'stderr', 'alive', 'hold'].map((name) => holdFifo(this.#path(name))));
    try {
      await this.#openStreams();
      const child = this.#spawn(join);
      const exited = once(child, 'close');
      child.on('error', () => {}); // a failed spawn closes the child too, and is reported there
      child.unref();
      const supervisor = child.pid === undefined ? undefined : await identifyProcess(child.pid);
      if (supervisor) this.record.supervisor = supervisor;
      await this.#save(); // an agent that comes after this one finds the supervisor, whatever happens now
      await holds[3]?.write('go\n');
      const died = exited.then(async () => {
        const why = (await readFile(this.#path('setup.log'), 'utf8')).trim().split('\n').at(-1);
        this.#started.reject(new RuntimeError('StartError', `cannot start the container's supervisor: ${why}`));
      });
      await Promise.race([this.#started.promise, died]);
      this.record.state = { phase: 'running', startedAtMs: Date.now() };
      await this.#save();
    } finally {
      await Promise.all(holds.map((hold) => hold.close()));
    }
  }

  /** Takes over a container that an earlier agent started. */
  async adopt(): Promise<void> {
    const { supervisor, state } = this.record;
    if (state.phase === 'exited') return this.#end.resolve();
    if (supervisor && (await isAlive(supervisor))) {
      this.#started.resolve();
      await this.#openStreams();
      return;
    }
    await this.#finish({ lost: true });
  }

  /** Ends what an earlier agent had begun to start. */
  async abandon(): Promise<void> {
    await this.#endSupervisor();
    this.#end.resolve();
  }

  /** Lets go of the container without ending it: for an agent that stops and leaves its pods running. */
  async detach(): Promise<void> {
    await this.#settled();
    if (this.record.state.phase !== 'running') return;
    this.#detached = true;
    this.#released.resolve();
    for (const letGo of this.#letGo) letGo();
    this.#stdin?.destroy();
    await this.ended;
  }

  async stop({ graceMs }: { graceMs: number }): Promise<void> {
    await this.#settled();
    if (this.record.state.phase !== 'running' || this.#detached) return;
    const main = await this.processOne();
    if (graceMs > 0 && main !== undefined) signalProcess(main, `SIG${this.record.stopSignal}`);
    const expired = Promise.withResolvers<void>();
    const timer = setTimeout(expired.resolve, graceMs);
    await Promise.race([this.ended, expired.promise]);
    clearTimeout(timer);
    await this.#kill();
    await this.ended;
  }

  /** A start that is under way comes to its end first, and so does a supervisor that is on its way out. */
  async #settled(): Promise<void> {
    await this.#starting?.catch(() => {}); // whoever started it is told
    if (this.record.state.phase === 'exited') await this.ended;
  }

  /** The host's number of the process that heads the container: the supervisor script itself. */
  async processOne(): Promise<number | undefined> {
    const pid = this.record.supervisor?.pid;
    if (pid === undefined) return undefined;
    return this.#mode === 'root' ? (await childrenOf(pid))[0] : pid;
  }

  /** Every process of the container, the supervisor's own not counted. */
  async processes(): Promise<number[]> {
    const first = await this.processOne();
    if (first === undefined) return [];
    const children = await childrenOf(first);
    const own = (await isWatcher(children[0])) ? children.slice(1) : children;
    return (await Promise.all(own.map(treeOf))).flat();
  }

  async attach(request: AttachRequest): Promise<void> {
    if (this.record.state.phase !== 'running') throw new RuntimeError('NotRunning', 'container is not running');
    const joined: [Set<Writable>, Writable][] = [];
    for (const name of ['stdout', 'stderr'] as const) {
      const sink = request[name];
      if (!sink) continue;
      this.#sinks[name].add(sink);
      joined.push([this.#sinks[name], sink]);
    }
    const left = Promise.withResolvers<void>();
    request.signal.addEventListener('abort', () => left.resolve(), { once: true });
    if (request.stdin && this.record.stdin) {
      void this.#feed(request.stdin).catch((error: unknown) => this.#log.debug('Attached stdin ended', { error }));
    }
    if (request.resizes) void this.#resize(request.resizes).catch(() => {}); // a terminal that is gone has no size
    await Promise.race([this.ended, this.#released.promise, left.promise]);
    for (const [sinks, sink] of joined) {
      sinks.delete(sink);
      if (!sink.writableEnded) sink.end();
    }
  }

  #spawn(join: number | undefined): ChildProcess {
    const script = (mode: string) => {
      return ['bash', '-p', '-c', supervisorScript, 'fairlead', this.#directory, mode, String(this.#watchSeconds)];
    };
    const enter = ['nsenter', '-t', String(join), '-U', '-p', '--preserve-credentials', '--'];
    const supervisor =
      this.#mode === 'plain'
        ? script('plain')
        : join === undefined
          ? ['unshare', ...unshareArguments, ...script('root')]
          : [...enter, 'unshare', '--mount', '--uts', ...script('join')];
    const [file = '', ...args] = [...enterNetwork(this.#networkNamespace), ...supervisor];
    const env = { ...helperEnvironment, ...this.record.oddEnv };
    return spawn(file, args, { env, cwd: '/', detached: true, stdio: 'ignore' });
  }

  /** Reads the container's streams until it has ended, in the background. */
  async #openStreams(): Promise<void> {
    const log = new ContainerLog(this.record.logPath);
    await log.append('stdout', new Uint8Array(0)); // the file exists from the start on, for followers
    const [stdout, stderr, alive] = await Promise.all(
      ['stdout', 'stderr', 'alive'].map((name) => readFifo(this.#path(name))),
    );
    if (!stdout || !stderr || !alive) throw new Error('three streams were asked for');
    this.#letGo.push(() => alive.destroy());
    const pumps = [this.#pump('stdout', stdout, log), this.#pump('stderr', stderr, log)];
    void this.#untilEnd({ alive, pumps, log }).catch((error: unknown) => {
      this.#log.error('Container streams failed', { container: this.record.id, error });
      this.#end.resolve();
    });
  }

  async #untilEnd(streams: {
    readonly alive: Socket;
    readonly pumps: readonly Promise<void>[];
    readonly log: ContainerLog;
  }): Promise<void> {
    const { alive, pumps, log } = streams;
    await this.#watch(alive);
    // With a PID namespace nothing of the container is left, so its streams end by themselves; a reader may be slow.
    // Without one, something may have left the container's process group.
    if (this.#mode === 'plain' && !this.#detached) await this.#killStrays();
    const letGo = () => this.#letGo.map((each) => each());
    const drain = this.#mode === 'plain' ? setTimeout(letGo, drainMs) : undefined;
    await Promise.all(pumps);
    clearTimeout(drain);
    await log.close({ complete: !this.#detached });
    alive.destroy();
    if (!this.#detached) await this.#finish({ lost: false });
    this.#end.resolve();
  }

  /** Resolves once the container has ended, or its supervisor has died. */
  async #watch(alive: Socket): Promise<void> {
    if (!(await readExit(this.#directory))) {
      try {
        for await (const chunk of alive as AsyncIterable<Buffer>) {
          if (chunk.includes('s')) this.#started.resolve();
          if (chunk.includes('x')) break;
        }
      } catch (error) {
        if (!this.#detached) throw error;
      }
    }
    const exit = await readExit(this.#directory);
    if (exit?.reason === 'StartError') this.#started.reject(new RuntimeError('StartError', exit.message));
    else if (exit) this.#started.resolve(); // so fast that its end was there before we looked
  }

  async #pump(name: 'stdout' | 'stderr', source: Socket, log: ContainerLog): Promise<void> {
    const rest: Buffer[] = [];
    this.#letGo.push(() => {
      // What has been read from the kernel is nowhere else: it goes to the log before the pipe is let go.
      for (let chunk: Buffer | null = source.read(); chunk !== null; chunk = source.read()) rest.push(chunk);
      source.destroy();
    });
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        const attached = Promise.all([...this.#sinks[name]].map((sink) => writeAll(sink, chunk)));
        await Promise.all([log.append(name, chunk), Promise.race([attached, this.#released.promise])]);
      }
    } catch (error) {
      if (!source.destroyed) throw error; // destroyed by us: detached, or drained for long enough
    }
    for (const chunk of rest) await log.append(name, chunk);
    for (const sink of this.#sinks[name]) if (!sink.writableEnded) sink.end();
  }

  /** Carries an attached client's stdin; several may come one after the other. */
  async #feed(source: Readable): Promise<void> {
    this.#stdin ??= await writeFifo(this.#path('stdin'));
    const stdin = this.#stdin;
    stdin.on('error', () => {}); // the container closed its stdin: writeAll sees it
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (stdin.destroyed) return;
      await writeAll(stdin, chunk);
    }
    if (!this.record.stdinOnce) return;
    stdin.end();
    const main = await this.processOne();
    if (main !== undefined) signalProcess(main, 'SIGUSR1');
  }

  async #resize(sizes: AsyncIterable<TerminalSize>): Promise<void> {
    for await (const { width, height } of sizes) {
      const leaves = (await this.processes()).slice(-1);
      for (const pid of leaves) {
        const args = ['-F', `/proc/${pid}/fd/0`, 'rows', String(height), 'cols', String(width)];
        await once(spawn('stty', args, { env: helperEnvironment, stdio: 'ignore' }), 'close');
      }
    }
  }

  /** SIGKILL to the container's own processes: the supervisor then reports 137 as for any other end. */
  async #kill(): Promise<void> {
    // A list of processes may miss one that is just being made, so it is made again until the end.
    for (let waitMs = 50; this.record.state.phase === 'running'; waitMs = Math.min(maxPollMs, waitMs * 2)) {
      for (const pid of await this.processes()) signalProcess(pid, 'SIGKILL');
      const next = Promise.withResolvers<void>();
      const timer = setTimeout(next.resolve, waitMs);
      await Promise.race([this.ended, next.promise]);
      clearTimeout(timer);
    }
  }

  /** What the container started beside its process group, in a session of its own: found by what its environment says. */
  async #killStrays(options: { supervisor?: boolean } = {}): Promise<void> {
    const variable = `FAIRLEAD_ROOT=${this.#path('root')}`;
    const marks = { variable, ...(options.supervisor && { argument: this.#directory }) };
    for (let waitMs = 2; waitMs < maxPollMs; waitMs *= 2) {
      const strays = await findProcesses(marks);
      if (strays.length === 0) return;
      for (const pid of strays) signalProcess(pid, 'SIGKILL');
      await delay(waitMs);
    }
    this.#log.warn('Processes of an ended container cannot be killed', { container: this.record.id });
  }

  async #finish({ lost }: { lost: boolean }): Promise<void> {
    const { state } = this.record;
    const report = await readExit(this.#directory);
    const startedAtMs = state.phase === 'running' ? state.startedAtMs : (report?.finishedAtMs ?? Date.now());
    const exit = report ?? { ...unreported(state, lost), finishedAtMs: Date.now() };
    this.record.state = { phase: 'exited', startedAtMs, ...exit };
    this.#stdin?.destroy();
    try {
      await this.#save();
    } finally {
      await this.#endSupervisor();
      this.#end.resolve();
    }
  }

  /** Ends the supervisor and everything in its namespaces, or below it; resolves once it has gone. */
  async #endSupervisor(): Promise<void> {
    const { supervisor } = this.record;
    for (let waitMs = 2; supervisor && (await isAlive(supervisor)); waitMs = Math.min(maxPollMs, waitMs * 2)) {
      const first = await this.processOne(); // in a namespace of its own, and what started it ends after it
      signalProcess(first ?? supervisor.pid, 'SIGKILL');
      await delay(waitMs);
    }
    if (this.#mode === 'plain') await this.#killStrays({ supervisor: true });
  }

  #save(): Promise<void> {
    return writeRecord(this.#directory, 'container.json', this.record);
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

/** Sends a signal by name to a process that may be gone. */
export function signalProcess(pid: number, signal: string): void {
  const number = (constants.signals as Record<string, number>)[signal] ?? constants.signals.SIGTERM;
  try {
    process.kill(pid, number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The end of a container whose supervisor did not live to write one. */
function unreported({ phase }: ContainerState, lost: boolean): Omit<ExitReport, 'finishedAtMs'> {
  if (phase === 'created') return { exitCode: 128, reason: 'StartError', message: 'its supervisor could not start' };
  return lost
    ? { exitCode: 255, reason: 'Unknown', message: '' }
    : { exitCode: 137, reason: 'Error', message: 'its supervisor was killed' };
}

/** Resolves once `sink` wants more, or is closed: the source of `chunk` then goes on without it. */
async function writeAll(sink: Writable, chunk: Uint8Array): Promise<void> {
  if (sink.destroyed || sink.writableEnded || sink.write(chunk)) return;
  const freed = Promise.withResolvers<void>();
  sink.once('drain', freed.resolve);
  sink.once('close', freed.resolve);
  await freed.promise;
  sink.off('drain', freed.resolve);
  sink.off('close', freed.resolve);
}
