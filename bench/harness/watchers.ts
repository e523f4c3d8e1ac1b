import type { ClientHttp2Stream } from 'node:http2';
import { crc32 } from 'node:zlib';
import { Connection } from './connection.ts';

/** Kubernetes servers allow this many streams on a connection, or more. */
const streamsPerConnection = 100;
const lineBreak = 0x0a;

interface Watcher {
  checksum: number;
  bytes: number;
  events: number;
}

export interface Watchers extends AsyncDisposable {
  /** Resolves when the slowest watcher has got that many events. @throws when a watch ends before, or it takes 30 s */
  delivered(events: number): Promise<void>;
  /** @throws unless each watcher has got the same `events` events, in the order of their resource versions */
  verify(events: number): void;
}

/**
 * Opens many watches of the same path and resolves when all have been accepted.
 * To cost little, only the first is kept and read; the others are compared with it by checksum.
 */
export async function openWatchers(kubeconfig: string, options: { path: string; count: number }): Promise<Watchers> {
  await using parts = new AsyncDisposableStack();
  const watchers: Watcher[] = [];
  const first: Buffer[] = [];
  const waiting = new Set<{ events: number; resolve: () => void }>();
  /** How many watchers have got the nth event, and how many events all of them have got. */
  const reached: number[] = [];
  let complete = 0;
  let failure: unknown;
  let fail: (error: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch((error: unknown) => {
    failure = error;
  });

  const receive = (watcher: Watcher, chunk: Buffer) => {
    watcher.checksum = crc32(chunk, watcher.checksum);
    watcher.bytes += chunk.length;
    for (let at = chunk.indexOf(lineBreak); at >= 0; at = chunk.indexOf(lineBreak, at + 1)) {
      const event = watcher.events++;
      reached[event] = (reached[event] ?? 0) + 1;
    }
    while (reached[complete] === options.count) complete++;
    for (const waiter of waiting) {
      if (complete < waiter.events) continue;
      waiting.delete(waiter);
      waiter.resolve();
    }
  };
  const open = (connection: Connection): Promise<void> => {
    const watcher = { checksum: 0, bytes: 0, events: 0 };
    const isFirst = watchers.push(watcher) === 1;
    const stream = connection.stream({ path: options.path });
    stream.on('data', (chunk: Buffer) => {
      if (isFirst) first.push(chunk);
      receive(watcher, chunk);
    });
    stream.once('end', () => fail(new Error(`A watch ended after ${watcher.events} events`)));
    stream.once('error', fail);
    return accepted(stream);
  };
  const opened: Promise<void>[] = [];
  for (let left = options.count; left > 0; left -= streamsPerConnection) {
    const connection = parts.use(await Connection.open(kubeconfig));
    for (let index = 0; index < Math.min(left, streamsPerConnection); index++) opened.push(open(connection));
  }
  await Promise.race([Promise.all(opened), failed]);

  const owned = parts.move();
  return {
    async delivered(events) {
      if (complete >= events) return;
      if (failure !== undefined) throw failure;
      const arrived = new Promise<void>((resolve) => waiting.add({ events, resolve }));
      const timer = setTimeout(() => fail(new Error(`Only ${complete} of ${events} events have come`)), 30_000);
      await Promise.race([arrived, failed]).finally(() => clearTimeout(timer));
    },
    verify(events) {
      verifyOrder(Buffer.concat(first).toString(), events);
      const [reference] = watchers;
      const other = watchers.findIndex(
        ({ checksum, bytes }) => checksum !== reference?.checksum || bytes !== reference.bytes,
      );
      if (other >= 0) throw new Error(`Watcher ${other} did not get the same bytes as the first one`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function accepted(stream: ClientHttp2Stream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) => {
      if (headers[':status'] === 200) resolve();
      else reject(new Error(`A watch was answered with ${headers[':status']}`));
    });
    stream.once('error', reject);
  });
}

function verifyOrder(text: string, expected: number): void {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length !== expected) throw new Error(`The first watcher got ${lines.length} of ${expected} events`);
  let newest = 0;
  for (const line of lines) {
    const { object } = JSON.parse(line) as { object: { metadata: { resourceVersion: string } } };
    const version = Number(object.metadata.resourceVersion);
    if (version <= newest) throw new Error(`Event ${version} came after ${newest}`);
    newest = version;
  }
}
