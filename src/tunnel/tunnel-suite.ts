import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net, { type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { type Logger, silentLogger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { openClusterPki } from '../pki/authority.ts';
import { type AgentConfig, KonnectivityAgent } from './agent/run-agent.ts';
import { type KonnectivityConfig, type KonnectivityServer, listenKonnectivity } from './server/listen-konnectivity.ts';
import type { ServerTls } from './server/server-tls.ts';

export interface TestCredentials {
  readonly ca: string;
  readonly serverTls: ServerTls;
  readonly client: { readonly certificate: string; readonly key: string };
}

/** One CA, a server certificate for 127.0.0.1 and a client certificate. */
export async function createTestCredentials({
  clientName = 'agent',
  clientGroups = [],
  ipAddresses = [],
}: {
  clientName?: string;
  clientGroups?: readonly string[];
  /** Of the server, beside 127.0.0.1. */
  ipAddresses?: readonly string[];
} = {}): Promise<TestCredentials> {
  const { cluster } = await openClusterPki();
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', ...ipAddresses] };
  const server = await cluster.issue({ commonName: 'konnectivity', ...names, usages: ['server', 'client'] });
  const client = await cluster.issue({ commonName: clientName, organizations: clientGroups, usages: ['client'] });
  const ca = cluster.certificatePem;
  return {
    ca,
    serverTls: { certificate: server.certificatePem, key: server.privateKeyPem, clientCa: ca },
    client: { certificate: client.certificatePem, key: client.privateKeyPem },
  };
}

export interface TestTunnel extends AsyncDisposable {
  readonly server: KonnectivityServer;
  readonly agent: KonnectivityAgent;
  readonly serverMetrics: Metrics;
  readonly agentMetrics: Metrics;
  readonly udsPath: string;
}

/** A server with a front end on a Unix socket and one agent that is connected to it. */
export async function openTestTunnel(
  credentials: TestCredentials,
  options: {
    server?: Partial<KonnectivityConfig>;
    agent?: Partial<AgentConfig>;
    mode?: 'grpc' | 'http-connect';
    /** The server's. */
    log?: Logger;
  } = {},
): Promise<TestTunnel> {
  await using opened = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-tunnel-'));
  opened.defer(() => rm(directory, { recursive: true }));
  const udsPath = join(directory, 'konnectivity.sock');
  const serverMetrics = new Metrics();
  const agentMetrics = new Metrics();
  const server = opened.use(
    await listenKonnectivity(
      {
        serverId: 'server-1',
        agents: { address: { port: 0, host: '127.0.0.1' }, tls: credentials.serverTls },
        frontend: { mode: options.mode ?? 'http-connect', address: { path: udsPath } },
        ...options.server,
      },
      { log: options.log ?? silentLogger, signal: new AbortController().signal, metrics: serverMetrics },
    ),
  );
  const agent = opened.use(
    new KonnectivityAgent(
      {
        agentId: 'agent-1',
        server: { host: '127.0.0.1', port: server.agentPort },
        tls: { ca: credentials.ca, certificate: credentials.client },
        ...options.agent,
      },
      { log: silentLogger, metrics: agentMetrics },
    ),
  );
  await until(() => agent.ready && server.agents().length > 0);
  const resources = opened.move();
  return {
    server,
    agent,
    serverMetrics,
    agentMetrics,
    udsPath,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

export interface TestTarget extends AsyncDisposable {
  readonly port: number;
}

/** A TCP server on loopback that gives each connection to `serve`. Half-open connections stay open. */
export async function listenTarget(serve: (socket: Socket) => void): Promise<TestTarget> {
  const sockets = new Set<Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // the test decides what a failure is at the other end
    socket.once('close', () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port, // it listens on TCP
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Where a CONNECT front end listens. */
export type ConnectAddress =
  | { readonly path: string }
  | { readonly port: number; readonly ca: string; readonly client: { certificate: string; key: string } };

/** Asks for a tunnel; gives the socket, the reply's header and what came in one read behind it. */
export async function connectThrough(
  address: ConnectAddress,
  target: string,
): Promise<{ socket: Socket; header: string; behind: Buffer; head: Buffer }> {
  const socket =
    'path' in address
      ? net.connect({ path: address.path, allowHalfOpen: true })
      : tls.connect({
          host: '127.0.0.1',
          port: address.port,
          ca: address.ca,
          cert: address.client.certificate,
          key: address.client.key,
        });
  await once(socket, 'path' in address ? 'connect' : 'secureConnect');
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  let received = Buffer.alloc(0);
  for (;;) {
    const at = received.indexOf('\r\n\r\n');
    if (at >= 0) {
      const behind = received.subarray(at + 4);
      return { socket, header: received.subarray(0, at).toString(), behind, head: behind };
    }
    const [chunk] = (await Promise.race([
      once(socket, 'data'),
      once(socket, 'end').then(() => {
        throw new Error(`the reply ended: ${received.toString()}`);
      }),
    ])) as [Buffer];
    socket.pause();
    received = Buffer.concat([received, chunk]);
    if (received.indexOf('\r\n\r\n') < 0) socket.resume();
  }
}

/** Reads until the end. */
export async function readAll(socket: Socket | NodeJS.ReadableStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => parts.push(chunk));
    socket.once('end', resolve);
    socket.once('error', reject);
    socket.resume();
  });
  return Buffer.concat(parts);
}

/** Waits for what has no event of its own. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
