import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { ApiClient } from '../client/client.ts';
import { TaskGroup } from '../lib/async.ts';
import type { Logger } from '../lib/log.ts';
import { Metrics } from '../lib/metrics.ts';
import { decodeDnsQuery } from '../wire/dns-message.ts';
import { ClusterZone } from './cluster-zone.ts';
import { DnsForwarder, type Resolver, systemResolvers } from './forwarder.ts';
import { resolveQuery } from './resolve.ts';

export interface ClusterDnsConfig {
  readonly listen: { readonly host: string; readonly port: number };
  /** @default cluster.local */
  readonly domain?: string;
  /** Where everything else is asked. @default the machine's resolvers */
  readonly resolvers?: readonly Resolver[];
  /** @default 5 */
  readonly ttlSeconds?: number;
}

export interface ClusterDnsOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  readonly metrics?: Metrics;
  /** Bounds the start. */
  readonly signal?: AbortSignal;
}

export interface ClusterDns extends AsyncDisposable {
  /** Of UDP and TCP alike. */
  readonly address: string;
  readonly port: number;
  /** Resolves when all Services are known; until then names of the cluster are answered with a failure. */
  readonly synced: Promise<void>;
}

const plainUdpBytes = 512;
const maxUdpBytes = 1232;
const maxTcpBytes = 65_535;
const maxConnections = 200;
/** A connection without a query is closed after this time. */
const idleMs = 10_000;
const maxQueriesInFlight = 1_000;

/** Answers names of Services and pods over UDP and TCP and forwards all others. An ordinary client of the API server. */
export async function runClusterDns(config: ClusterDnsConfig, options: ClusterDnsOptions): Promise<ClusterDns> {
  const { client, metrics = new Metrics(), signal: starting } = options;
  const log = options.log.with({ component: 'dns' });
  const { domain = 'cluster.local', ttlSeconds = 5, listen } = config;
  await using parts = new AsyncDisposableStack();
  const resolvers = config.resolvers ?? (await systemResolvers(new Set([listen.host])));
  const forwarder = new DnsForwarder(resolvers);
  const zone = parts.use(new ClusterZone({ client, log, domain, ttlSeconds }));
  const answered = metrics.counter({
    name: 'coredns_dns_responses_total',
    help: 'Answers',
    labels: ['proto', 'rcode'],
  });
  const forwarded = metrics.counter({ name: 'coredns_forward_requests_total', help: 'Queries forwarded' });
  const tasks = new TaskGroup({ onError: (error) => log.debug('A query failed', { error }) });

  /** Nothing is answered to what is no query. */
  const handle = (message: Uint8Array, { tcp, send }: { tcp: boolean; send: (answer: Uint8Array) => void }) => {
    if (tasks.size >= maxQueriesInFlight) return; // Clients ask again.
    tasks.run(async (signal) => {
      const query = decodeDnsQuery(message);
      const udpBytes = Math.min(maxUdpBytes, Math.max(plainUdpBytes, query.udpPayload ?? 0));
      const maxBytes = tcp ? maxTcpBytes : udpBytes;
      const result = await resolveQuery(message, query, { zone, forwarder, tcp, maxBytes, signal });
      answered.inc({ proto: tcp ? 'tcp' : 'udp', rcode: String(result.code) });
      if (result.forwarded) forwarded.inc();
      send(result.bytes);
    });
  };

  const { udp, tcp } = await bindBoth(listen);
  parts.defer(() => closeUdp(udp));
  parts.defer(() => closeTcp(tcp.server, tcp.sockets));
  parts.use(tasks);
  udp.on('error', (error) => log.warn('The DNS socket failed', { error }));
  udp.on('message', (message, peer) => {
    handle(message, { tcp: false, send: (answer) => udp.send(answer, peer.port, peer.address) });
  });
  tcp.server.on('connection', (socket: Socket) => {
    tcp.sockets.add(socket);
    socket.on('close', () => tcp.sockets.delete(socket));
    socket.on('error', () => {}); // 'close' follows.
    socket.setTimeout(idleMs, () => socket.destroy());
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        handle(received.subarray(2, end), { tcp: true, send: (answer) => sendFramed(socket, answer) });
        received = received.subarray(end);
      }
    });
  });
  starting?.throwIfAborted();
  const { address, port } = udp.address();
  log.info('Serving names', { address, port, domain, resolvers: resolvers.length });
  const owned = parts.move();
  return { address, port, synced: zone.synced, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Who does not read what it asked for is cut off. */
function sendFramed(socket: Socket, answer: Uint8Array): void {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(answer.length, 0);
  socket.write(Buffer.concat([length, answer]));
  if (socket.writableLength > 4 * maxTcpBytes) socket.destroy();
}

/** UDP and TCP on one port: a port chosen for one may be taken for the other, so that some are tried. */
async function bindBoth({ host, port }: { host: string; port: number }) {
  for (let tries = 0; ; tries++) {
    const udp = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    udp.bind(port, host);
    await once(udp, 'listening');
    const server = createServer();
    server.maxConnections = maxConnections;
    try {
      server.listen(udp.address().port, host);
      await once(server, 'listening');
      return { udp, tcp: { server, sockets: new Set<Socket>() } };
    } catch (error) {
      await closeUdp(udp);
      if (port !== 0 || tries >= 10 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

async function closeUdp(socket: UdpSocket): Promise<void> {
  await new Promise<void>((resolve) => void socket.close(resolve));
}

async function closeTcp(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  for (const socket of sockets) socket.destroy();
  await closed;
}
