import assert from 'node:assert/strict';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { hostname } from 'node:os';
import { silentLogger } from '../lib/log.ts';
import { openClusterPki } from '../pki/authority.ts';
import type { IssuedCertificate } from '../pki/certificate-authority.ts';
import { ensureClientCertificate, ensureServingCertificate } from '../pki/control-plane-certificates.ts';
import { openMemoryStore } from '../storage/memory/memory-store.ts';
import type { Store } from '../storage/store.ts';
import type { Dial } from '../stream/dial.ts';
import type { ApiServerConfig } from './config.ts';
import { type ApiServer, listenApi } from './listen.ts';

export interface TestRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly bytes: Buffer;
  /** The body as JSON; fails the test where it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into many kinds of answers
  readonly json: any;
}

/** A server on a memory store, and an administrator who talks to it over HTTP/2. */
export interface TestServer extends AsyncDisposable {
  readonly api: ApiServer;
  readonly store: Store;
  readonly caPem: string;
  readonly admin: IssuedCertificate;
  request(request: TestRequest): Promise<TestAnswer>;
  /** The same without credentials. */
  anonymous(request: TestRequest): Promise<TestAnswer>;
  watch(path: string, headers?: Readonly<Record<string, string>>): Promise<TestWatch>;
}

/** Keys are slow to make: all servers of one test file share them. */
const shared = (async () => {
  const pki = await openClusterPki();
  const names = { hostName: hostname(), serviceAddress: '10.96.0.1', advertiseAddress: '127.0.0.1', extraNames: [] };
  return {
    pki,
    serving: await ensureServingCertificate(pki, names),
    admin: await ensureClientCertificate(pki, 'admin'),
  };
})();

/** On a store of its own, unless one is given. */
export async function openTestServer(
  config: Partial<ApiServerConfig> = {},
  given?: Store,
  { dial }: { readonly dial?: Dial } = {},
): Promise<TestServer> {
  const { pki, serving, admin } = await shared;
  await using parts = new AsyncDisposableStack();
  const store = given ?? parts.use(await openMemoryStore());
  const api = parts.use(
    await listenApi(
      {
        host: '127.0.0.1',
        port: 0,
        serving: { current: () => ({ certificatePem: serving.certificatePem, keyPem: serving.privateKeyPem }) },
        clientCaPem: pki.cluster.certificatePem,
        serviceAccounts: {
          issuers: ['https://kubernetes.default.svc'],
          signingKeyPem: pki.serviceAccountKey.privateKeyPem,
        },
        kubelet: { certificateAuthorityPem: pki.kubeletServing.certificatePem },
        ...config,
      },
      { store, log: silentLogger, ...(dial && { dial }) },
    ),
  );
  await api.ready;
  const caPem = pki.cluster.certificatePem;
  const session = connect(api.url, { ca: caPem, cert: admin.certificatePem, key: admin.privateKeyPem });
  session.on('error', () => {}); // each request reports it
  parts.defer(() => session.destroy());
  const owned = parts.move();
  return {
    api,
    store,
    caPem,
    admin,
    request: (request) => send(session, request),
    async anonymous(request) {
      const stranger = connect(api.url, { ca: caPem });
      stranger.on('error', () => {});
      try {
        return await send(stranger, request);
      } finally {
        stranger.destroy();
      }
    },
    async watch(path, headers = {}) {
      const stream = session.request({ ':path': path, ...headers });
      const status = await new Promise<number>((resolve, reject) => {
        stream.once('response', (head) => resolve(Number(head[':status'])));
        stream.once('error', reject);
      });
      assert.equal(status, 200);
      return new TestWatch(stream);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The events of one JSON watch, one after the other. */
export class TestWatch implements Disposable {
  readonly stream: ClientHttp2Stream;
  readonly #lines: AsyncIterator<string>;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    stream.on('error', () => {}); // seen by who reads
    this.#lines = linesOf(stream);
  }

  /** The next event; `undefined` at the end. */
  // biome-ignore lint/suspicious/noExplicitAny: events of many kinds
  async next(): Promise<any> {
    const { value, done } = await this.#lines.next();
    return done ? undefined : JSON.parse(value);
  }

  [Symbol.dispose](): void {
    this.stream.close();
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

export function send(session: ClientHttp2Session, request: TestRequest): Promise<TestAnswer> {
  const { method = 'GET', path, headers = {}, body } = request;
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined });
    const chunks: Buffer[] = [];
    let head: Record<string, unknown> = {};
    stream.on('response', (received) => {
      head = received;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      const bytes = Buffer.concat(chunks);
      resolve({
        status: Number(head[':status']),
        headers: head,
        bytes,
        get json() {
          return JSON.parse(bytes.toString());
        },
      });
    });
    if (body !== undefined)
      stream.end(body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body));
  });
}

export const configMaps = '/api/v1/namespaces/default/configmaps';

export function configMap(name: string, rest: object = {}): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, ...rest };
}
