import { X509Certificate } from 'node:crypto';
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import tls from 'node:tls';
import { formatServerAddress, type ServerAddress } from '../leases/lease-validity.ts';
import { NativeConnection } from '../native/native-connection.ts';
import type { SlowReaders } from '../native/slow-readers.ts';
import { pingRegularly } from '../ping.ts';
import { sessionOptions, sessionWindowBytes } from '../session-settings.ts';
import type { TunnelStream } from '../tunnel-stream.ts';
import { DialError, type DialFailure } from './dial-error.ts';
import type { TunnelDial } from './dialer.ts';
import { isPeerCertificate } from './peers-identity.ts';
import { peerDialPath, peerHeaders, selfReason } from './peers-protocol.ts';

/** Who we are to other servers, and by what we know them. PEM texts. */
export interface PeerCredentials {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Common names of our servers' certificates. */
  readonly names: readonly string[];
}

export interface PeerLinkOptions {
  readonly address: ServerAddress;
  readonly serverId: string;
  readonly slowReaders: SlowReaders;
  /** Read at each connect. */
  readonly credentials: () => PeerCredentials;
}

/** A peer that cannot take the dial now: another one may. */
export class PeerUnavailable extends Error {
  override readonly name = 'PeerUnavailable';
}

const connectTimeoutMs = 3_000;
const retryAfterMs = 1_000;
const ping = { intervalMs: 5_000, timeoutMs: 5_000 };

/** One connection to another server, made at the first dial and kept. */
export class PeerLink implements Disposable {
  readonly #options: PeerLinkOptions;
  readonly #place: string;
  #session: Promise<ClientHttp2Session> | undefined;
  #failedMs = Number.NEGATIVE_INFINITY;
  #isSelf = false;
  #lastId = 0n;
  #closed = false;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.#place = formatServerAddress(options.address);
  }

  /** @throws {PeerUnavailable} where another server should be asked, {DialError} where an agent was asked and failed */
  async dial({ protocol, address, signal, node, onAgent }: TunnelDial): Promise<TunnelStream> {
    const session = await this.#connected();
    if (signal.aborted) throw canceled(signal);
    const stream = session.request(
      {
        ':method': 'POST',
        ':path': peerDialPath,
        [peerHeaders.server]: this.#options.serverId,
        [peerHeaders.target]: address,
        [peerHeaders.protocol]: protocol,
        ...(node !== undefined && { [peerHeaders.node]: node }),
      },
      { endStream: false },
    );
    stream.on('error', () => {}); // told by 'close'
    const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
      const settle = () => signal.removeEventListener('abort', onAbort);
      const onAbort = () => {
        settle();
        stream.close(http2.constants.NGHTTP2_CANCEL);
        reject(canceled(signal));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      stream.once('response', (answer) => {
        settle();
        resolve(answer);
      });
      stream.once('close', () => {
        settle();
        reject(new PeerUnavailable(`server ${this.#place} ended the dial without an answer`));
      });
    });
    if (Number(headers[':status']) !== 200) throw this.#refusal(headers);
    onAgent?.(decodeURIComponent(String(headers[peerHeaders.agent] ?? '')));
    return new NativeConnection(stream, {
      connectId: ++this.#lastId,
      address,
      slowReaders: this.#options.slowReaders,
      loss: () => (session.destroyed ? new Error(`the connection to server ${this.#place} was lost`) : undefined),
      onClose: () => {},
    });
  }

  /** Takes no more dials; what is open goes on. */
  retire(): void {
    this.#closed = true;
    void this.#session?.then(
      (session) => session.close(),
      () => {}, // it never came to be
    );
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    void this.#session?.then(
      (session) => session.destroy(),
      () => {}, // it never came to be
    );
  }

  async #connected(): Promise<ClientHttp2Session> {
    if (this.#isSelf) throw new PeerUnavailable('this server itself');
    if (this.#closed) throw new PeerUnavailable(`server ${this.#place} is no peer any more`);
    if (!this.#session) {
      if (performance.now() - this.#failedMs < retryAfterMs) throw new PeerUnavailable(`server ${this.#place} is away`);
      const opening = this.#open();
      this.#session = opening;
      opening.then(
        (session) => {
          const forget = () => {
            if (this.#session === opening) this.#session = undefined;
          };
          session.once('goaway', forget);
          session.once('close', forget);
          if (session.destroyed) forget();
          if (this.#closed) session.close();
        },
        () => {
          this.#session = undefined;
          this.#failedMs = performance.now();
        },
      );
    }
    try {
      return await this.#session;
    } catch (error) {
      throw new PeerUnavailable(`cannot connect to server ${this.#place}`, { cause: error });
    }
  }

  #open(): Promise<ClientHttp2Session> {
    const { host, port } = this.#options.address;
    const { ca, certificate, key, names } = this.#options.credentials();
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host,
        port,
        ca,
        cert: certificate,
        key,
        ALPNProtocols: ['h2'],
        minVersion: 'TLSv1.2',
        // Servers are known by their name, wherever they run: the chain has been verified when this is asked.
        checkServerIdentity: (_, { raw }) =>
          isPeerCertificate(new X509Certificate(raw), names)
            ? undefined
            : new Error(`the certificate of ${this.#place} is not one of our servers`),
      });
      const fail = (error: Error) => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const late = new Error(`no TLS connection to server ${this.#place} within ${connectTimeoutMs} ms`);
      const timer = setTimeout(() => fail(late), connectTimeoutMs).unref();
      socket.on('error', fail);
      socket.once('close', () => fail(new Error(`server ${this.#place} closed the connection`)));
      socket.once('secureConnect', () => {
        const session = http2.connect(`https://${this.#place}`, { ...sessionOptions, createConnection: () => socket });
        session.on('error', () => {}); // told by 'close'
        session.once('connect', () => session.setLocalWindowSize(sessionWindowBytes));
        session.once('close', () => fail(new Error(`server ${this.#place} closed the connection`)));
        // With TLS 1.3 a refused certificate is known only after our side is done: wait for the other's first frame.
        session.once('remoteSettings', () => {
          clearTimeout(timer);
          pingRegularly(session, ping);
          resolve(session);
        });
      });
    });
  }

  #refusal(headers: IncomingHttpHeaders): Error {
    const reason = String(headers[peerHeaders.reason] ?? '');
    const message = decodeURIComponent(String(headers[peerHeaders.error] ?? `status ${headers[':status']}`));
    if (reason === selfReason) this.#isSelf = true;
    if (reason === 'error_response' || reason === 'backend_dial_timeout')
      return new DialError(reason as DialFailure, message);
    return new PeerUnavailable(`server ${this.#place}: ${message}`);
  }
}

function canceled(signal: AbortSignal): DialError {
  return new DialError('canceled', 'dial canceled', { cause: signal.reason });
}
