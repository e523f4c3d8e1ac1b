import type { IncomingMessage } from 'node:http';
import type { PlainAnswer, PlainHandler } from './plain-listener.ts';

const root = '/debug/pprof/';
const maxSeconds = 300;
const defaultSeconds = 30;

/** Profiles of Go's runtime that this one has no counterpart of. */
const absent = ['allocs', 'block', 'cmdline', 'goroutine', 'mutex', 'symbol', 'threadcreate', 'trace'] as const;

const index = `Profiles of this process, taken by V8. They open in the browser's developer tools and on speedscope.app; go tool pprof does not read them.

${root}profile?seconds=30   where time goes: .cpuprofile
${root}heap?seconds=30      what is allocated: .heapprofile
`;

/** Answers for the admin port with `--enable-profiling`: upstream's paths, with what Node.js can tell. One profile at a time. */
export function profilingRoutes(): Readonly<Record<string, PlainHandler>> {
  let busy = false;
  const profile =
    (name: string, take: (seconds: number) => Promise<unknown>): PlainHandler =>
    async (request) => {
      const seconds = secondsOf(request);
      if (seconds === undefined) return { status: 400, body: `seconds must be a number from 1 to ${maxSeconds}\n` };
      if (busy) return { status: 503, body: 'another profile is being taken\n' };
      busy = true;
      try {
        const body = JSON.stringify(await take(seconds));
        return { status: 200, body, type: 'application/json', fileName: name };
      } finally {
        busy = false;
      }
    };
  return {
    '/debug/pprof': () => ({ status: 301, body: '', location: root }),
    [root]: () => ({ status: 200, body: index }),
    [`${root}profile`]: profile('process.cpuprofile', takeCpuProfile),
    [`${root}heap`]: profile('process.heapprofile', takeHeapProfile),
    ...Object.fromEntries(absent.map((name) => [root + name, (): PlainAnswer => unsupported(name)])),
  };
}

function unsupported(name: string): PlainAnswer {
  return { status: 501, body: `there is no ${name} profile of a Node.js process; see ${root}\n` };
}

function secondsOf({ url = '' }: IncomingMessage): number | undefined {
  const text = new URL(url, 'http://localhost').searchParams.get('seconds') ?? String(defaultSeconds);
  const seconds = Number(text);
  return seconds >= 1 && seconds <= maxSeconds ? seconds : undefined;
}

async function takeCpuProfile(seconds: number): Promise<unknown> {
  await using session = await openInspector();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  await session.wait(seconds);
  const { profile } = await session.post('Profiler.stop');
  return profile;
}

async function takeHeapProfile(seconds: number): Promise<unknown> {
  await using session = await openInspector();
  await session.post('HeapProfiler.startSampling', { samplingInterval: 64 * 1024 });
  await session.wait(seconds);
  const { profile } = await session.post('HeapProfiler.stopSampling');
  return profile;
}

interface Inspector extends AsyncDisposable {
  readonly post: (method: string, parameters?: object) => Promise<{ readonly profile?: unknown }>;
  readonly wait: (seconds: number) => Promise<void>;
}

/** Loaded when it is first asked for: nothing else here needs the inspector. */
async function openInspector(): Promise<Inspector> {
  const { Session } = await import('node:inspector/promises');
  const { setTimeout: wait } = await import('node:timers/promises');
  const session = new Session();
  session.connect();
  return {
    // Each method has types of its own; the two that are read from give a profile, which is passed on as it is.
    post: async (method, parameters) =>
      ((await session.post(method as 'Profiler.stop', parameters as undefined)) as { profile?: unknown } | undefined) ??
      {},
    wait: (seconds) => wait(seconds * 1000, undefined, { ref: false }),
    async [Symbol.asyncDispose]() {
      session.disconnect();
    },
  };
}
