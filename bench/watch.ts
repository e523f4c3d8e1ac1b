import type { Area, ServerName, Servers } from './harness/area.ts';
import { Connection } from './harness/connection.ts';
import { runLoad } from './harness/load.ts';
import { configMap, ensureNamespace, ensurePods, json } from './harness/objects.ts';
import { type Row, rateRow } from './harness/table.ts';
import type { Target } from './harness/target.ts';
import { openWatchers } from './harness/watchers.ts';

const namespace = 'bench-reads';
const pods = 1000;
const watchList =
  `/api/v1/namespaces/${namespace}/pods?watch=1&sendInitialEvents=true` +
  '&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
const fanOutNamespace = 'bench-watch';
const configMaps = `/api/v1/namespaces/${fanOutNamespace}/configmaps`;

/** How fast changes reach watchers. What arrives is checked: every event, in order, at each watcher. */
export const watchArea: Area = {
  name: 'watch',
  async run(servers) {
    await servers.each(async (connection) => {
      await ensurePods(connection, namespace, pods);
      await ensureNamespace(connection, fanOutNamespace);
    });
    const rows = [await watchListRow(servers)];
    for (const watchers of [100, 500, 1000]) rows.push(await fanOutRow(servers, watchers));
    return rows;
  },
};

async function watchListRow(servers: Servers): Promise<Row> {
  await using ours = await Connection.open((await servers.get('ours')).kubeconfig);
  await using bare = await Connection.open((await servers.get('bare')).kubeconfig);
  const body = await sync(ours, watchList);
  const events = body.toString().split('\n').length - 1;
  if (events !== pods + 1) throw new Error(`WatchList gave ${events} events for ${pods} pods and a bookmark`);
  await bare.call({ method: 'PUT', path: '/replay/watch-list', body });
  const compared = await servers.compare(
    (target, name) =>
      runLoad(target, (connection) => sync(connection, name === 'bare' ? '/replay/watch-list' : watchList), {
        callers: 1,
        durationMs: servers.durationMs * 2,
      }),
    { bare: true },
  );
  return rateRow('WatchList sync of 1,000 pods, one caller', compared, { rate: 1.5, cpuShare: 10 });
}

/** Reads a watch up to the bookmark that ends the initial events. */
function sync(connection: Connection, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = connection.stream({ path });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (!chunk.includes('k8s.io/initial-events-end') || chunk.at(-1) !== 0x0a) return;
      stream.close();
      resolve(Buffer.concat(chunks));
    });
    stream.once('error', reject);
    stream.once('end', () => reject(new Error(`The watch ended early: ${Buffer.concat(chunks).subarray(0, 300)}`)));
  });
}

async function fanOutRow(servers: Servers, watchers: number): Promise<Row> {
  const deliveries = servers.quick ? 40_000 : 80_000;
  const compared = await servers.compare(
    async (target, name) => {
      const measure = () => fanOut(target, name, { watchers, events: Math.max(deliveries / watchers, 120) });
      // On a busy machine upstream cuts watchers now and then; that is no reason to have nothing to compare with.
      return name === 'upstream' ? measure().catch(measure) : measure();
    },
    { bare: true },
  );
  return rateRow(`watch fan-out to ${watchers}, deliveries`, compared, { rate: 1.2, cpuShare: 5 });
}

/** Events that the slowest watcher may be behind while more are made: upstream cuts one that is a few dozen behind. */
const eventsAhead = 16;

async function fanOut(target: Target, name: ServerName, size: { watchers: number; events: number }) {
  await using writer = await Connection.open(target.kubeconfig);
  const path = name === 'bare' ? '/watch' : await currentWatch(writer);
  await using watchers = await openWatchers(target.kubeconfig, { path, count: size.watchers });
  const before = target.usage();
  const started = performance.now();
  let next = 0;
  const write = async (caller: number) => {
    for (let event = next++; event < size.events; event = next++) {
      await watchers.delivered(event - eventsAhead);
      await writeEvent(writer, name, { caller, event });
    }
  };
  // An object of its own for each caller: its events come in the order of its writes.
  await Promise.all(Array.from({ length: 16 }, (_, caller) => write(caller)));
  await watchers.delivered(size.events);
  const seconds = (performance.now() - started) / 1000;
  const after = target.usage();
  if (name !== 'bare') watchers.verify(size.events);
  const total = size.events * size.watchers;
  const cpuMs = (after.cpuMs - before.cpuMs) / total;
  return { perSecond: total / seconds, cpuMs, rssMb: after.rssMb, p50Ms: Number.NaN, p99Ms: Number.NaN };
}

async function currentWatch(connection: Connection): Promise<string> {
  for (let caller = 0; caller < 16; caller++) await ensureEventObject(connection, caller);
  const { metadata } = await connection.json<{ metadata: { resourceVersion: string } }>({ path: configMaps });
  return `${configMaps}?watch=1&resourceVersion=${metadata.resourceVersion}`;
}

async function ensureEventObject(connection: Connection, caller: number): Promise<void> {
  const { items } = await connection.json<{ items: unknown[] }>({
    path: `${configMaps}?fieldSelector=metadata.name%3Devents-${caller}`,
  });
  if (items.length > 0) return;
  await connection.call({ method: 'POST', path: configMaps, headers: json, body: configMap(`events-${caller}`) });
}

async function writeEvent(
  connection: Connection,
  name: ServerName,
  { caller, event }: { caller: number; event: number },
) {
  const object = configMap(`events-${caller}`, `${process.pid} ${performance.now()} ${event}`);
  if (name === 'bare') return connection.call({ method: 'POST', path: '/event', body: `${object}\n` });
  return connection.call({ method: 'PUT', path: `${configMaps}/events-${caller}`, headers: json, body: object });
}
