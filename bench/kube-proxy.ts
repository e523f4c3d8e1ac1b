import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Service } from '../src/api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../src/api/kubernetes/discovery-v1.ts';
import type { ApiClient } from '../src/client/client.ts';
import { endpointSlices, services } from '../src/client/resources.ts';
import { runKubeProxy } from '../src/kube-proxy/run-kube-proxy.ts';
import { Balancer } from '../src/kube-proxy/userspace/balancer.ts';
import { listenTcpForwarder } from '../src/kube-proxy/userspace/tcp-forwarder.ts';
import { type Logger, silentLogger } from '../src/lib/log.ts';
import { createCluster } from '../src/testing/create-cluster.ts';
import type { Area } from './harness/area.ts';
import { median } from './harness/load.ts';
import { digits, limitRow, type Row } from './harness/table.ts';

const endpointsPerService = 10;

/** Services in kernel rules: all at once, then one change; and the user-space listener beside a bare relay. */
export const kubeProxyArea: Area = {
  name: 'kube-proxy',
  async run({ quick }) {
    const rows: Row[] = [await relayRow(quick ? 64 : 512)];
    const prefix = namespacePrefix();
    if (!prefix) return [...rows, { figure: 'kernel rules', ours: 'needs nft, nsenter and namespaces' }];
    return [...(await ruleRows(prefix, quick ? 200 : 1000)), ...rows];
  },
};

async function ruleRows(namespace: readonly string[], count: number): Promise<Row[]> {
  await using cluster = await createCluster({ controllers: false });
  const { client } = cluster;
  const slices: EndpointSlice[] = [];
  for (let from = 0; from < count; from += 50) {
    const indexes = Array.from({ length: Math.min(50, count - from) }, (_, index) => from + index);
    slices.push(...(await Promise.all(indexes.map((index) => createService(client, index)))));
  }
  const holder = spawn(namespace[0] ?? '', [...namespace.slice(1), 'sleep', '600'], { stdio: 'ignore' });
  try {
    await once(holder, 'spawn');
    await untilEntered(holder);
    let written: (() => void) | undefined;
    const log: Logger = {
      ...silentLogger,
      debug: (message) => {
        if (message === 'Rules written') written?.();
      },
      with: () => log,
    };
    const startedMs = performance.now();
    await using proxy = await runKubeProxy(
      { nodeName: 'n', nodeAddresses: [], commandPrefix: enter(holder) },
      { client, log },
    );
    await proxy.synced;
    const initialMs = performance.now() - startedMs;
    const changes: number[] = [];
    for (const slice of slices.slice(0, 20)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      written = resolve;
      const changedMs = performance.now();
      const endpoints = (slice.endpoints ?? []).slice(1);
      await client.update<EndpointSlice>(endpointSlices, { ...slice, endpoints });
      await promise;
      changes.push(performance.now() - changedMs);
    }
    const what = `${count} Services × ${endpointsPerService} endpoints`;
    return [
      limitRow(`${what}: start to all rules`, { value: initialMs / 1000, unit: 's', limit: 5 }),
      limitRow(`${what}: change at the API server to rule`, { value: median(changes), unit: 'ms', limit: 100 }),
    ];
  } finally {
    holder.kill('SIGKILL');
  }
}

async function createService(client: ApiClient, index: number): Promise<EndpointSlice> {
  const name = `bench-${index}`;
  await client.create<Service>(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { ports: [{ name: 'web', port: 80 }] },
  });
  const addresses = Array.from({ length: endpointsPerService }, (_, end) => `10.200.${index % 256}.${end + 1}`);
  return await client.create<EndpointSlice>(endpointSlices, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'web', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: 'n' })),
  });
}

const asRoot = process.getuid?.() === 0;

function namespacePrefix(): string[] | undefined {
  const command = ['unshare', asRoot ? '-n' : '-Urn'];
  try {
    execFileSync('sh', ['-c', 'command -v nft && command -v nsenter'], { stdio: 'ignore' });
    execFileSync('unshare', [...command.slice(1), 'true'], { stdio: 'ignore' });
    return command;
  } catch {
    return undefined;
  }
}

function enter({ pid }: ChildProcess): string[] {
  return ['nsenter', '-t', String(pid), ...(asRoot ? [] : ['-U', '--preserve-credentials']), '-n'];
}

/** `unshare` becomes `sleep` once its namespaces are there. */
async function untilEntered({ pid }: ChildProcess): Promise<void> {
  for (;;) {
    const name = execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    if (name === 'sleep') return;
  }
}

async function relayRow(megabytes: number): Promise<Row> {
  const sink = await listen((socket) => socket.resume().on('end', () => socket.end()));
  const { port } = sink.address() as AddressInfo;
  const raw = await listen((client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.pipe(upstream).pipe(client);
  });
  const balancer = new Balancer(Date.now);
  const endpoint = { address: '127.0.0.1', port, ready: true, serving: true, terminating: false, local: true };
  balancer.update([{ ...endpoint, elsewhere: false }], undefined);
  const wanted = { address: '127.0.0.1', port: 0 };
  await using forwarder = await listenTcpForwarder({ wanted, balancer, log: silentLogger });
  const bare: number[] = [];
  const ours: number[] = [];
  for (let round = 0; round < 3; round++) {
    bare.push(await send((raw.address() as AddressInfo).port, megabytes));
    ours.push(await send(forwarder.bound.port, megabytes));
  }
  for (const server of [sink, raw]) server.close();
  const ratio = median(ours) / median(bare);
  return {
    figure: 'user-space listener, one connection',
    ours: `${digits(median(ours))} MB/s`,
    ceiling: `${digits(median(bare))} MB/s (bare relay)`,
    ratio: digits(ratio),
    target: '≥ 0.7 × relay',
    verdict: ratio >= 0.7 ? 'ok' : 'short',
  };
}

async function listen(onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, onSocket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Megabytes in a second, until the other end has read all. */
async function send(port: number, megabytes: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  const chunk = Buffer.alloc(64 * 1024);
  const startedMs = performance.now();
  for (let sent = 0; sent < megabytes * 16; sent++) if (!socket.write(chunk)) await once(socket, 'drain');
  socket.end();
  socket.resume();
  await once(socket, 'close');
  return (megabytes * 1000) / (performance.now() - startedMs);
}
