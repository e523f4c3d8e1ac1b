import { randomBytes } from 'node:crypto';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from 'node:http2';
import { fairleadVersion } from '../lib/version.ts';
import { writeBehind } from '../stream/write-behind.ts';
import { decodeGrpcMessage, frameGrpcMessage, GrpcMessageDecoder } from '../wire/grpc.ts';
import { decodePacket, encodePacket, type Packet } from '../wire/konnectivity.ts';
import { ProxyDialError, type ProxyDialer } from './egress-selector.ts';
import { connectProxy } from './proxy-socket.ts';
import { ProxyTunnel, sessionWindowBytes, streamWindowBytes } from './proxy-tunnel.ts';
import { authorityOf } from './target-text.ts';

/** Upstream's client waits so long for `DIAL_RSP`. */
const dialTimeoutMs = 30_000;

export interface GrpcDialerOptions {
  /** Of the proxy server's Unix socket. */
  readonly path: string;
  /** For tests. @default 30 s */
  readonly timeoutMs?: number;
}

/**
 * Dials through a Konnectivity server's gRPC front end on a Unix socket. As upstream's API server: one HTTP/2 connection, one `Proxy` stream and
 * one dial for each tunnel, so that no tunnel waits for another's reader.
 */
export function grpcDialer({ path, timeoutMs = dialTimeoutMs }: GrpcDialerOptions): ProxyDialer {
  return {
    name: `GRPC unix:${path}`,
    labels: { protocol: 'grpc', transport: 'uds' },
    dial: async (target, { signal }) => {
      const socket = await connectProxy({ path }, { signal });
      const session = connectHttp2('http://localhost', {
        createConnection: () => writeBehind(socket),
        settings: { enablePush: false, initialWindowSize: streamWindowBytes },
        maxSessionMemory: 64,
      });
      session.on('error', () => {}); // its stream reports it too
      session.once('connect', () => session.setLocalWindowSize(sessionWindowBytes));
      const stream = session.request({
        ':method': 'POST',
        ':path': '/ProxyService/Proxy',
        'content-type': 'application/grpc',
        te: 'trailers',
        'user-agent': `fairlead/${fairleadVersion}`,
      });
      return new ProxyDial(session, stream).open(authorityOf(target), { signal, timeoutMs });
    },
  };
}

/** One dial on one stream, until it is answered. */
class ProxyDial {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #decoder = new GrpcMessageDecoder();
  /** 63 random bits, as Go's clients choose them. */
  readonly #random = randomBytes(8).readBigUInt64BE() >> 1n;
  #tunnel: ProxyTunnel | undefined;

  constructor(session: ClientHttp2Session, stream: ClientHttp2Stream) {
    this.#session = session;
    this.#stream = stream;
  }

  open(address: string, { signal, timeoutMs }: { signal: AbortSignal; timeoutMs: number }): Promise<ProxyTunnel> {
    return new Promise((resolve, reject) => {
      const fail = (message: string, cause?: unknown) => {
        if (settled) return;
        settle();
        this.#end();
        reject(new ProxyDialError('proxy', message, { cause }));
      };
      const giveUp = (message: string, cause?: unknown) => {
        this.#send({ type: 'DIAL_CLS', random: this.#random });
        fail(message, cause);
      };
      const abandon = () => giveUp('dial timeout, context', signal.reason);
      const timer = setTimeout(() => giveUp('dial timeout, backstop'), timeoutMs);
      let settled = false;
      const settle = () => {
        settled = true;
        clearTimeout(timer);
        signal.removeEventListener('abort', abandon);
      };
      const answer = (packet: Packet) => {
        if (packet.type === 'DIAL_CLS') return fail('dial closed');
        if (packet.type === 'CLOSE_RSP') return fail(packet.error || 'tunnel closed');
        if (packet.type !== 'DIAL_RSP' || packet.random !== this.#random) return;
        if (packet.error !== '') return fail(packet.error);
        settle();
        const { connectId } = packet;
        this.#tunnel = new ProxyTunnel({ session: this.#session, stream: this.#stream, connectId, address });
        resolve(this.#tunnel);
      };
      this.#listen({ answer, lost: (reason) => (this.#tunnel ? this.#tunnel.receiveLoss(reason) : fail(reason)) });
      if (signal.aborted) return abandon();
      signal.addEventListener('abort', abandon, { once: true });
      this.#send({ type: 'DIAL_REQ', protocol: 'tcp', address, random: this.#random });
    });
  }

  #listen({ answer, lost }: { answer: (packet: Packet) => void; lost: (reason: string) => void }): void {
    let reason = 'tunnel closed';
    const readStatus = (headers: IncomingHttpHeaders) => {
      const status = headers['grpc-status'] ?? headers[':status'];
      const message = headers['grpc-message'];
      if (status === undefined || ['0', '200'].includes(String(status))) return;
      reason = `tunnel closed: ${typeof message === 'string' ? decodeGrpcMessage(message) : `status ${status}`}`;
    };
    this.#stream.on('response', readStatus);
    this.#stream.on('trailers', readStatus);
    this.#stream.on('data', (chunk: Buffer) => {
      try {
        this.#decoder.push(chunk, (message) => {
          const packet = decodePacket(message);
          if (this.#tunnel) this.#tunnel.receive(packet);
          else answer(packet);
        });
      } catch (error) {
        lost(`tunnel closed: ${error instanceof Error ? error.message : String(error)}`);
        this.#stream.destroy();
      }
    });
    this.#stream.on('error', (error: Error) => {
      reason = `tunnel closed: ${error.message}`;
    });
    // Trailers come before this, and after it nothing does.
    this.#stream.on('close', () => lost(reason));
    this.#stream.on('end', () => setImmediate(() => this.#stream.end()));
  }

  #send(packet: Parameters<typeof encodePacket>[0]): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded)
      this.#stream.write(frameGrpcMessage(encodePacket(packet)));
  }

  #end(): void {
    this.#stream.resume();
    this.#stream.end();
    this.#session.close();
    const timer = setTimeout(() => this.#session.destroy(), 1000).unref();
    this.#session.once('close', () => clearTimeout(timer));
  }
}
