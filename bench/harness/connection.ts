import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { currentOf } from '../../src/client/client-config.ts';
import { clientConfigOf, loadKubeconfig } from '../../src/client/kubeconfig.ts';
import { openSession } from '../../src/client/open-session.ts';

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** One HTTP/2 connection as the cluster's owner: the load generator's whole client, the same for every server. */
export class Connection implements AsyncDisposable {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  static async open(kubeconfig: string): Promise<Connection> {
    const config = clientConfigOf(await loadKubeconfig({ env: {}, path: kubeconfig }));
    const credentials = { ca: currentOf(config.ca), certificate: currentOf(config.certificate) };
    const signal = AbortSignal.timeout(10_000);
    const session = await openSession(new URL(config.server), credentials, {
      serverName: undefined,
      dial: undefined,
      signal,
    });
    // As large as Go's client has them, so that a long answer does not wait for window updates.
    session.settings({ initialWindowSize: 4 << 20 });
    session.setLocalWindowSize(64 << 20);
    return new Connection(session);
  }

  /** The stream itself, for answers without an end. */
  stream({ method = 'GET', path, headers, body }: Call): ClientHttp2Stream {
    const stream = this.#session.request(
      { ':method': method, ':path': path, ...headers },
      { endStream: body === undefined },
    );
    if (body !== undefined) stream.end(body);
    return stream;
  }

  /** @throws for every status that is no success, with the answer's text */
  call(call: Call): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const stream = this.stream(call);
      const chunks: Buffer[] = [];
      let headers: Reply['headers'] = {};
      stream.on('response', (received) => {
        headers = received;
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.once('error', reject);
      stream.once('end', () => {
        const status = Number(headers[':status'] ?? 0);
        const body = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
        if (status >= 200 && status < 300) resolve({ status, headers, body });
        else reject(new Error(`${call.method ?? 'GET'} ${call.path}: ${status} ${body.subarray(0, 500)}`));
      });
    });
  }

  async json<T>(call: Call): Promise<T> {
    const { body } = await this.call(call);
    return JSON.parse(body.toString()) as T;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#session.destroy();
    return Promise.resolve();
  }
}
