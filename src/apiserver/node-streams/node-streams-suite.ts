import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Node, Pod } from '../../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../../api/object.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import { silentLogger } from '../../lib/log.ts';
import { CertificateAuthority, createAuthorityCertificate } from '../../pki/certificate-authority.ts';
import { generateKeyPair } from '../../pki/key.ts';
import type { Dial } from '../../stream/dial.ts';
import type { UpgradeRequest } from '../../stream/upgrade.ts';
import type { Exchange } from '../exchange.ts';
import { listenHttps } from '../https-listener.ts';
import { sendError } from '../respond.ts';
import { createKubeletConnector, type KubeletConnector } from './kubelet-connector.ts';
import { createNodeStreams } from './node-streams.ts';

/** For the tests of this folder: an authority, a kubelet with real TLS, and an API server's listener with these handlers behind it. */
export async function createAuthority(name: string): Promise<CertificateAuthority> {
  const keys = generateKeyPair();
  return new CertificateAuthority(await createAuthorityCertificate(name, keys, Date.now()), keys);
}

export interface TestKubelet extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
  /** `METHOD url` of each request, and the client certificate's name. */
  readonly requests: { line: string; user: string; headers: NodeJS.Dict<string | string[]> }[];
}

export async function listenKubelet(
  serving: { certificatePem: string; privateKeyPem: string },
  options: {
    upgrade?: (upgrade: UpgradeRequest & { url: URL }) => Promise<void>;
    request?: Parameters<typeof createServer>[1];
    clientCaPem?: string;
  },
): Promise<TestKubelet> {
  const server = createServer({
    cert: serving.certificatePem,
    key: serving.privateKeyPem,
    requestCert: true,
    rejectUnauthorized: false,
    ...(options.clientCaPem && { ca: options.clientCaPem }),
  });
  const sockets = new Set<TLSSocket>();
  const requests: TestKubelet['requests'] = [];
  const record = (request: import('node:http').IncomingMessage) => {
    const certificate = (request.socket as TLSSocket).getPeerCertificate();
    const user = String(certificate.subject?.CN ?? '');
    requests.push({ line: `${request.method} ${request.url}`, user, headers: request.headers });
  };
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // tests cut connections
  });
  server.on('request', (request, response) => {
    record(request);
    options.request?.(request, response);
  });
  if (options.upgrade) {
    server.on('upgrade', (request, socket, head) => {
      record(request);
      const url = new URL(request.url ?? '', 'https://kubelet');
      options.upgrade?.({ request, socket, head, url }).catch(() => socket.destroy());
    });
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    server,
    requests,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function objectsOf(objects: readonly [string, KubeObject][]): ObjectSource {
  const find = (resource: string) => objects.filter(([name]) => name === resource).map(([, object]) => object);
  return {
    get: <T extends KubeObject>(resource: string, { name }: { name: string }) =>
      find(resource).find((object) => object.metadata?.name === name) as T | undefined, // by resource name
    list: <T extends KubeObject>(resource: string) => find(resource) as T[], // by resource name
    subscribe: () => ({ [Symbol.dispose]() {} }),
  };
}

export function nodeAt(port: number, name = 'n1', declaredFeatures: string[] = []): [string, Node] {
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
    declaredFeatures,
  };
  return ['nodes', { metadata: { name }, status }];
}

export function podOn(nodeName: string | undefined, name = 'web', containers: string[] = ['c']): [string, Pod] {
  const spec = { containers: containers.map((container) => ({ name: container })), ...(nodeName && { nodeName }) };
  return ['pods', { metadata: { name, namespace: 'default' }, spec }];
}

/** A plain socket. */
export const dialTest: Dial = ({ host, port }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port, allowHalfOpen: true }, () => resolve(socket));
    socket.once('error', reject);
  });

export function connectorTo(
  objects: ObjectSource,
  options: { caPem: string | undefined; client?: { certificatePem: string; privateKeyPem: string }; dial?: Dial },
): KubeletConnector {
  return createKubeletConnector({
    dial: options.dial ?? dialTest,
    objects,
    ...(options.client && {
      clientCertificate: options.client.certificatePem,
      clientKey: options.client.privateKeyPem,
    }),
    certificateAuthorityPem: options.caPem,
    log: silentLogger,
  });
}

export interface TestApi extends AsyncDisposable {
  readonly host: string;
  /** A verified TLS connection to it. */
  dial(): Promise<TLSSocket>;
}

/** `/api/v1/namespaces/default/pods/<name>/<subresource>` and nothing else; everybody is the user `tester`. */
export async function listenApi(
  authority: CertificateAuthority,
  objects: ObjectSource,
  kubelet: KubeletConnector,
  options: { mayCreate?: boolean } = {},
): Promise<TestApi> {
  const serving = await authority.issue({ commonName: 'api', dnsNames: ['localhost'], usages: ['server'] });
  const pair = { certificatePem: serving.certificatePem, keyPem: serving.privateKeyPem };
  const streams = createNodeStreams({
    objects,
    kubelet,
    log: silentLogger,
    authorizer: {
      name: 'test',
      authorize: () => ({ verdict: options.mayCreate === false ? 'noOpinion' : 'allow', reason: '' }),
    },
  });
  const handlers: Record<string, (typeof streams)['exec']> = { ...streams };
  const serve = async (exchange: Exchange) => {
    const [, , , , namespace = '', resource = '', name = '', subresource = ''] = exchange.path.split('/');
    const verb = exchange.method === 'POST' ? 'create' : 'get';
    const info = {
      isResourceRequest: true,
      path: exchange.path,
      verb,
      group: '',
      version: 'v1',
      resource,
      subresource,
    };
    await handlers[subresource]?.({
      exchange,
      info: { ...info, rest: [], namespace, name },
      user: { username: 'tester', uid: '', groups: [], extra: {} },
      warn() {},
      annotate() {},
    });
  };
  const listener = await listenHttps({
    host: '127.0.0.1',
    port: 0,
    serving: { current: () => pair, onChange: () => ({ [Symbol.dispose]() {} }) },
    clientCaPems: [],
    log: silentLogger,
    handle: (exchange) => void serve(exchange).catch((error: unknown) => sendError(exchange, error)),
    refuse: () => ({ status: 400, body: '' }),
  });
  const sockets: TLSSocket[] = [];
  return {
    host: `localhost:${listener.address.port}`,
    dial: () =>
      new Promise((resolve, reject) => {
        const { port } = listener.address;
        const ca = authority.certificatePem;
        const socket = connectTls({ host: '127.0.0.1', port, servername: 'localhost', ca }, () => resolve(socket));
        socket.once('error', reject);
        socket.on('error', () => {});
        sockets.push(socket);
      }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await listener[Symbol.asyncDispose]();
    },
  };
}
