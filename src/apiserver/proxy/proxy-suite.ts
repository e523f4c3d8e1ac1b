import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { ApiServerConfig } from '../config.ts';
import { openTestServer, type TestServer } from '../server-suite.ts';

/** For the tests of this folder: an API server, and backends at pod addresses that a dial maps to this machine. */
export interface ProxyBed extends AsyncDisposable {
  readonly server: TestServer;
  /** `address:port` of every dial, with the node. */
  readonly dialled: string[];
  /** A server that answers where pods of the bed are: at `address:port`. */
  serve(at: string, listener: RequestListener, options?: ServeOptions): Promise<TestBackend>;
  /** Creates an object and its status. */
  create(path: string, object: Record<string, unknown>): Promise<void>;
  /** A running pod of node `n1` at 10.244.1.x. */
  createPod(
    name: string,
    address: string,
    rest?: { annotations?: object; node?: string; spec?: object },
  ): Promise<void>;
  /** A Service in front of pods, and its slice. */
  createService(name: string, options: ServiceOptions): Promise<void>;
  /** A raw TLS connection to the API server that speaks HTTP/1.1, as the administrator. */
  connect(): Promise<TLSSocket>;
}

export interface ServeOptions {
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string };
  readonly upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface TestBackend {
  readonly server: Server;
  /** Connections that were accepted so far. */
  readonly connections: () => number;
}

export interface ServiceOptions {
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly target: number }[];
  readonly endpoints: readonly { readonly address: string; readonly pod?: string }[];
  readonly annotations?: object;
}

const nodeStatus = {
  addresses: [{ type: 'InternalIP', address: '10.0.0.11' }],
  daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
};

export async function openProxyBed(config: Partial<ApiServerConfig> = {}): Promise<ProxyBed> {
  await using parts = new AsyncDisposableStack();
  const ports = new Map<string, number>();
  const dialled: string[] = [];
  const server = parts.use(
    await openTestServer({ advertiseAddress: '10.0.0.1', ...config }, undefined, {
      dial: ({ host, port, node }) => {
        dialled.push(`${host}:${port} ${node}`);
        const local = ports.get(`${host}:${port}`);
        return new Promise((resolve, reject) => {
          if (local === undefined) return reject(new Error(`dial tcp ${host}:${port}: connect ECONNREFUSED`));
          const socket = connect({ host: '127.0.0.1', port: local, allowHalfOpen: true }, () => resolve(socket));
          socket.once('error', reject);
        });
      },
    }),
  );
  const create: ProxyBed['create'] = async (path, object) => {
    const { status, json } = await server.request({ method: 'POST', path, body: object });
    if (status !== 201) throw new Error(json.message);
    if (!('status' in object)) return;
    const { name } = object['metadata'] as { name: string };
    const body = { ...json, status: object['status'] };
    const answer = await server.request({ method: 'PUT', path: `${path}/${name}/status`, body });
    if (answer.status !== 200) throw new Error(answer.json.message);
  };
  await create('/api/v1/nodes', {
    metadata: { name: 'n1' },
    spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
    status: nodeStatus,
  });
  await create('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const owned = parts.move();
  return {
    server,
    dialled,
    create,
    async serve(at, listener, { tls, upgrade } = {}) {
      const backend = tls
        ? createTlsServer({ cert: tls.certificatePem, key: tls.privateKeyPem }, listener)
        : createServer(listener);
      if (upgrade) backend.on('upgrade', upgrade);
      const sockets = new Set<Socket>();
      let count = 0;
      backend.on('connection', (socket: Socket) => {
        count++;
        sockets.add(socket);
        socket.on('error', () => {}); // tests cut connections
      });
      await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
      ports.set(at, (backend.address() as AddressInfo).port);
      owned.defer(async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => backend.close(resolve));
      });
      return { server: backend, connections: () => count };
    },
    createPod: (name, address, { annotations = {}, node = 'n1', spec = {} } = {}) =>
      create('/api/v1/namespaces/default/pods', {
        metadata: { name, annotations },
        spec: {
          nodeName: node,
          automountServiceAccountToken: false,
          containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 8080 }] }],
          ...spec,
        },
        status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
      }),
    async createService(name, { ports: declared, endpoints, annotations = {} }) {
      await create('/api/v1/namespaces/default/services', {
        metadata: { name, annotations },
        spec: {
          ports: declared.map(({ name: port, port: number }) => ({ ...(port && { name: port }), port: number })),
        },
      });
      await create('/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
        metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        ports: declared.map(({ name: port = '', target }) => ({ name: port, port: target, protocol: 'TCP' })),
        endpoints: endpoints.map(({ address, pod }) => ({
          addresses: [address],
          conditions: { ready: true },
          ...(pod && { targetRef: { kind: 'Pod', namespace: 'default', name: pod } }),
        })),
      });
    },
    connect: () =>
      new Promise((resolve, reject) => {
        const { api, caPem, admin } = server;
        const socket: TLSSocket = connectTls(
          {
            host: api.host,
            port: api.port,
            ca: caPem,
            cert: admin.certificatePem,
            key: admin.privateKeyPem,
            ALPNProtocols: ['http/1.1'],
          },
          () => resolve(socket),
        );
        socket.once('error', reject);
        owned.defer(() => void socket.destroy());
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Everything that arrives until the connection ends. */
export function readAll(socket: Duplex): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.once('close', () => resolve(text));
    socket.once('end', () => resolve(text));
  });
}

/** Reads until `end` has arrived; returns all of it. */
export function readUntil(socket: Duplex, end: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const done = () => reject(new Error(`the connection ended after ${JSON.stringify(text)}`));
    const take = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!text.includes(end)) return;
      socket.off('data', take);
      socket.off('close', done);
      resolve(text);
    };
    socket.on('data', take);
    socket.once('close', done);
  });
}
