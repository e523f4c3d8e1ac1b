import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { silentLogger } from '../../../lib/log.ts';
import type { ContainerConfig, ContainerInstance, Runtime } from '../runtime.ts';
import type { Isolation } from './isolation.ts';
import { openProcessRuntime } from './process-runtime.ts';

const plainConfig: ContainerConfig = {
  name: 'main',
  attempt: 0,
  image: 'host',
  command: ['true'],
  args: [],
  workingDir: '',
  env: {},
  mounts: [],
  tty: false,
  stdin: false,
  stdinOnce: false,
  stopSignal: 'TERM',
  terminationMessagePath: '',
  hash: '',
};

/** For tests: a process runtime in a directory of its own, with one sandbox. */
export async function openBed(mode: Isolation) {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-process-'));
  const open = (onDispose: 'stop' | 'leave') =>
    openProcessRuntime({
      directory: join(directory, 'run'),
      version: '0',
      images: {},
      watchSeconds: 0.05,
      onDispose,
      log: silentLogger,
      isolation: mode,
    });
  let runtime: Runtime = await open('leave');
  const sandbox = await runtime.runSandbox({
    pod: { namespace: 'default', name: 'web-0', uid: 'u' },
    hostname: 'web-0',
    ip: '127.0.0.1',
    logDirectory: join(directory, 'logs'),
    annotations: {},
    labels: {},
    hostAliases: [],
  });
  let attempt = 0;
  const get = (id: string): ContainerInstance => {
    const found = runtime.listContainers().find((container) => container.id === id);
    assert.ok(found, `container ${id} is listed`);
    return found;
  };
  const bed = {
    directory,
    mark: sandbox.id.slice(0, 12),
    sandboxId: sandbox.id,
    get runtime() {
      return runtime;
    },
    get,
    config: (config: Partial<ContainerConfig>): ContainerConfig => ({ ...plainConfig, attempt: attempt++, ...config }),
    async start(config: Partial<ContainerConfig>): Promise<string> {
      const id = await runtime.createContainer(sandbox.id, bed.config(config));
      await runtime.startContainer(id);
      return id;
    },
    exited: (id: string) => {
      const { promise, resolve } = Promise.withResolvers<ContainerInstance>();
      const look = () => get(id).state.phase === 'exited' && resolve(get(id));
      const subscription = runtime.subscribe(look);
      look();
      return promise.finally(() => subscription[Symbol.dispose]());
    },
    async logged(id: string, what: string): Promise<void> {
      const sink = new PassThrough();
      const controller = new AbortController();
      void runtime.attach(id, { stdout: sink, signal: controller.signal }).catch(() => {});
      let seen = await readFile(get(id).logPath, 'utf8').catch(() => '');
      for await (const chunk of seen.includes(what) ? [] : sink) {
        seen += String(chunk);
        if (seen.includes(what)) break;
        if ((await readFile(get(id).logPath, 'utf8')).includes(what)) break;
      }
      controller.abort();
    },
    async exec(id: string, command: string[], input?: string) {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()];
      const [out, err] = [text(stdout), text(stderr)];
      const stdin = input === undefined ? {} : { stdin: Readable.from([Buffer.from(input)]) };
      const code = await runtime.exec(id, {
        command,
        tty: false,
        ...stdin,
        stdout,
        stderr,
        signal: new AbortController().signal,
      });
      return { code, out: await out, err: await err };
    },
    leave: () => runtime[Symbol.asyncDispose](),
    async recover(): Promise<void> {
      runtime = await open('leave');
      await runtime.recover();
    },
    async restart(): Promise<void> {
      await bed.leave();
      await bed.recover();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await runtime.removeSandbox(sandbox.id);
      await runtime[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
      assert.deepEqual(await processesNaming(directory), [], 'nothing is left running');
    },
  };
  return bed;
}

export async function output(container: ContainerInstance): Promise<string> {
  const lines = (await readFile(container.logPath, 'utf8')).trimEnd().split('\n');
  const content = lines.map((line) => line.split(' ').slice(3).join(' '));
  return `${content.join('\n')}\n`;
}

/** `undefined` while it runs. */
export function exitCode({ state }: ContainerInstance): number | undefined {
  return state.phase === 'exited' ? state.exitCode : undefined;
}

/** The command lines of all processes that name `text` in it or in their environment: what a container was started with. */
export async function processesNaming(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => ''); // it may have ended
    const [command, environment] = await Promise.all([read('cmdline'), read('environ')]);
    if (command.includes(text) || environment.includes(text)) found.push(`${pid} ${command.slice(0, 60)}`);
  }
  return found;
}

/** Waits until there is none: ends that nobody is told of. */
export async function untilNoneNames(text: string): Promise<void> {
  for (let left = await processesNaming(text); left.length > 0; left = await processesNaming(text)) await delay(20);
}
