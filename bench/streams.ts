import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { currentOf } from '../src/client/client-config.ts';
import { clientConfigOf, loadKubeconfig } from '../src/client/kubeconfig.ts';
import { openRemoteCommand } from '../src/stream/remote-command-client.ts';
import type { Area } from './harness/area.ts';
import { Connection } from './harness/connection.ts';
import { median } from './harness/load.ts';
import { type StreamingCluster, startStreamingCluster } from './harness/streaming-cluster.ts';
import { digits, type Row, verdictOf } from './harness/table.ts';
import { startRawTls } from './harness/target.ts';

const pod = '/api/v1/namespaces/default/pods/stream';
const logBytes = 4_000_000;

/** Bytes through API server and kubelet, beside TLS between two processes and nothing else. */
export const streamsArea: Area = {
  name: 'streams',
  async run({ quick }) {
    const bytes = (quick ? 32 : 128) * 2 ** 20;
    await using raw = await startRawTls();
    const rounds = quick ? 1 : 3;
    const measured = async (work: () => Promise<number>) => {
      const rates: number[] = [];
      for (let round = 0; round < rounds; round++) rates.push(await work());
      return median(rates);
    };
    const down = await measured(() => transferRaw(raw.kubeconfig, 's', bytes));
    const up = await measured(() => transferRaw(raw.kubeconfig, 'r', bytes));
    const rows: Row[] = [];
    for (const separate of [true, false]) {
      await using cluster = await startStreamingCluster({ separate, logBytes });
      const where = separate ? 'API server and node as processes' : 'all in one process';
      const add = async (figure: string, share: number, ceiling: number, work: () => Promise<number>) =>
        rows.push(streamRow(`${figure}, ${where}`, { rate: await measured(work), ceiling, share }));
      for (const via of ['websocket', 'spdy'] as const) {
        await add(`exec stdout, ${via}`, separate ? 0.3 : 0.15, down, () => readStdout(cluster, via, bytes));
        await add(`exec stdin, ${via}`, 0.15, up, () => writeStdin(cluster, via, bytes));
      }
      await add('logs', 0.15, down, () => readLogs(cluster, Math.ceil(bytes / logBytes / 4)));
    }
    return rows;
  },
};

function streamRow(figure: string, { rate, ceiling, share }: { rate: number; ceiling: number; share: number }): Row {
  return {
    figure,
    ours: `${digits(rate)} MB/s`,
    ceiling: `raw TLS: ${digits(ceiling)} MB/s`,
    ratio: `${digits(rate / ceiling)} × ceiling`,
    target: `≥ ${share} × ceiling`,
    verdict: verdictOf(rate >= share * ceiling),
  };
}

async function openTls(kubeconfig: string): Promise<TLSSocket> {
  const config = clientConfigOf(await loadKubeconfig({ env: {}, path: kubeconfig }));
  const { hostname, port } = new URL(config.server);
  const certificate = config.certificate && currentOf(config.certificate);
  const socket = connect({
    host: hostname,
    port: Number(port),
    ca: currentOf(config.ca),
    ...(certificate && { cert: certificate.certificate, key: certificate.key }),
  });
  await once(socket, 'secureConnect');
  return socket.setNoDelay(true);
}

/** In MB/s, as all of these. */
async function transferRaw(kubeconfig: string, direction: 's' | 'r', bytes: number): Promise<number> {
  const socket = await openTls(kubeconfig);
  const started = performance.now();
  socket.write(`${direction}${bytes}\n`);
  socket.resume();
  const ended = once(socket, 'end');
  if (direction === 'r') await writeZeros(socket, bytes);
  await ended;
  socket.destroy();
  return rateOf(bytes, started);
}

async function exec(cluster: StreamingCluster, via: 'websocket' | 'spdy', command: readonly string[], stdin: boolean) {
  const socket = await openTls(cluster.kubeconfig);
  const query = new URLSearchParams({ stdout: '1' });
  for (const word of command) query.append('command', word);
  if (stdin) query.append('stdin', '1');
  const client = await openRemoteCommand(socket, {
    via,
    host: '127.0.0.1',
    path: `${pod}/exec?${query}`,
    signal: AbortSignal.timeout(60_000),
    stdin,
    stdout: true,
    stderr: false,
    tty: false,
  });
  return { client, stdout: client.stdout ?? socket, stdin: client.stdin ?? socket };
}

async function readStdout(cluster: StreamingCluster, via: 'websocket' | 'spdy', bytes: number): Promise<number> {
  const started = performance.now();
  const { client, stdout } = await exec(cluster, via, ['head', '-c', String(bytes), '/dev/zero'], false);
  await using _open = client;
  let received = 0;
  for await (const chunk of stdout as AsyncIterable<Buffer>) received += chunk.length;
  if (received !== bytes) throw new Error(`exec gave ${received} of ${bytes} bytes`);
  return rateOf(bytes, started);
}

async function writeStdin(cluster: StreamingCluster, via: 'websocket' | 'spdy', bytes: number): Promise<number> {
  const started = performance.now();
  const command = ['sh', '-c', `head -c ${bytes} | wc -c`];
  const { client, stdout, stdin } = await exec(cluster, via, command, true);
  await using _open = client;
  await writeZeros(stdin, bytes);
  let counted = '';
  for await (const chunk of stdout as AsyncIterable<Buffer>) counted += chunk.toString();
  if (Number(counted) !== bytes) throw new Error(`The command read ${counted} of ${bytes} bytes`);
  return rateOf(bytes, started);
}

async function readLogs(cluster: StreamingCluster, times: number): Promise<number> {
  await using connection = await Connection.open(cluster.kubeconfig);
  const started = performance.now();
  let received = 0;
  for (let index = 0; index < times; index++) {
    received += (await connection.call({ path: `${pod}/log` })).body.length;
  }
  return rateOf(received, started);
}

const chunk = Buffer.alloc(32 * 1024);

async function writeZeros(stream: NodeJS.WritableStream, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= chunk.length) {
    if (!stream.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) await once(stream, 'drain');
  }
}

function rateOf(bytes: number, startedMs: number): number {
  return bytes / 2 ** 20 / ((performance.now() - startedMs) / 1000);
}
