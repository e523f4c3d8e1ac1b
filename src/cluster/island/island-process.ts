import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ClientCertificate } from '../../client/client-config.ts';
import { helperEnvironment } from '../../kubelet/runtimes/process/isolation.ts';
import type { Logger } from '../../lib/log.ts';
import { initScript } from './init-script.ts';
import { writeForwarded } from './island-log.ts';
import { readJsonLines, writeJsonLine } from './json-lines.ts';
import { type IslandCommand, type IslandEvent, type IslandStart, reviveError } from './messages.ts';
import { islandNamespaces } from './probe-island.ts';

/** Lines of standard error that are kept for the message of a failure. */
const keptLines = 5;

/**
 * The process of one island, from outside. It is started at once, told what to do by {@link start}, and ended by disposal.
 * Three things end all its processes: it is stopped, this process ends in whatever way, or its own first process does.
 */
export class IslandProcess implements AsyncDisposable {
  /** Resolves with the kubelet's port once it listens. */
  readonly listening: Promise<number>;
  /** Resolves once the node is Ready. */
  readonly ready: Promise<void>;
  /** Resolves when all processes of the island have gone. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #stopTimeoutMs: number;
  readonly #log: Logger;
  readonly #listening = Promise.withResolvers<number>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #lastWords: string[] = [];
  #stopping = false;

  constructor(options: { namespaceDirectory: string; stopTimeoutMs: number; log: Logger }) {
    this.#log = options.log;
    this.#stopTimeoutMs = options.stopTimeoutMs;
    this.listening = this.#listening.promise;
    this.ready = this.#ready.promise;
    for (const promise of [this.listening, this.ready]) promise.catch(() => {}); // nobody has to await both
    const init = ['bash', '-p', '-c', initScript, 'fairlead-island', options.namespaceDirectory];
    // A group of its own: Ctrl-C is for this process, which then stops the island in order.
    this.#child = spawn('unshare', [...islandNamespaces, ...init, process.execPath, ...agentArguments()], {
      env: { ...helperEnvironment, ...agentEnvironment() },
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    });
    this.ended = this.#follow();
  }

  /** The id of the process that holds the island, on this machine. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  start(message: IslandStart): void {
    this.#send(message);
  }

  renewProxyCertificate(certificate: ClientCertificate): void {
    this.#send({ type: 'proxy-certificate', certificate });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#send({ type: 'stop' });
    }
    const timer = setTimeout(() => {
      this.#log.warn('The island did not stop in time', { timeoutMs: this.#stopTimeoutMs });
      this.#child.kill('SIGKILL');
    }, this.#stopTimeoutMs);
    await this.ended;
    clearTimeout(timer);
  }

  #send(command: IslandCommand): void {
    if (this.#child.stdin) writeJsonLine(this.#child.stdin, command);
  }

  async #follow(): Promise<void> {
    const child = this.#child;
    const gone = Promise.withResolvers<string>();
    child.once('error', (error) => gone.resolve(error.message));
    child.once('close', (code, signal) => gone.resolve(`exit ${code ?? signal}`));
    const [stdin, stdout, stderr, life] = child.stdio as unknown as [Writable, Readable, Readable, Writable]; // as `spawn` was told
    for (const stream of [stdin, life]) stream?.on('error', () => {}); // it has ended: seen below
    const reading = Promise.allSettled([
      readJsonLines<IslandEvent>(stdout, (event) => this.#hear(event)).catch((error: unknown) => {
        if (child.pid === undefined) return; // it was never started: told below
        this.#log.error('The island speaks no sense', { error });
        child.kill('SIGKILL');
      }),
      this.#readErrors(stderr),
    ]);
    const how = await gone.promise;
    await reading;
    life?.destroy();
    const words = this.#lastWords.length > 0 ? `: ${this.#lastWords.join(' · ')}` : '';
    const error = new Error(`The island has ended (${how})${words}`);
    this.#listening.reject(error);
    this.#ready.reject(error);
    if (!this.#stopping) this.#log.error('The island has ended', { how, said: this.#lastWords.join('\n') });
  }

  #hear(event: IslandEvent): void {
    if (event.type === 'log') writeForwarded(this.#log, event);
    else if (event.type === 'listening') this.#listening.resolve(event.port);
    else if (event.type === 'ready') this.#ready.resolve();
    else {
      const error = reviveError(event.error);
      this.#listening.reject(error);
      this.#ready.reject(error);
    }
  }

  async #readErrors(stderr: Readable): Promise<void> {
    stderr.setEncoding('utf8');
    let rest = '';
    for await (const chunk of stderr as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = (lines.pop() ?? '').slice(-4096);
      for (const line of lines.filter((text) => text.trim() !== '')) {
        this.#log.debug('The island says', { line });
        this.#lastWords.push(line.slice(0, 1000));
        if (this.#lastWords.length > keptLines) this.#lastWords.shift();
      }
    }
  }
}

/** The entry of the agent: beside this file in the sources, beside the bundle in the package. */
function agentArguments(): string[] {
  const source = import.meta.url.endsWith('.ts');
  const entry = new URL(source ? './island-main.ts' : './island-main.mjs', import.meta.url);
  return ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning', fileURLToPath(entry)];
}

/** What of this process's environment concerns Node.js itself. */
function agentEnvironment(): Record<string, string> {
  const names = ['NODE_COMPILE_CACHE', 'MALLOC_ARENA_MAX', 'TMPDIR', 'HOME'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
