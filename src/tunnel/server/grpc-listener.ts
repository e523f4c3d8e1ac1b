import http2, { type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { Logger } from '../../lib/log.ts';
import { gateHandshakes } from '../../stream/handshake-gate.ts';
import { grpcStatus } from '../../wire/grpc.ts';
import { type PingOptions, pingRegularly } from '../ping.ts';
import { handshakeTimeoutMs, sessionOptions, sessionWindowBytes } from '../session-settings.ts';
import { refuseCall } from './grpc-reply.ts';
import { type ListenAddress, listenOn } from './listen-address.ts';
import { type ServerTls, toTlsOptions } from './server-tls.ts';

export type GrpcHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export interface GrpcListenerOptions {
  readonly address: ListenAddress;
  /** Absent: HTTP/2 in plain text, for Unix sockets. */
  readonly tls?: ServerTls | undefined;
  /** By path: `/ProxyService/Proxy`. */
  readonly handlers: Readonly<Record<string, GrpcHandler>>;
  /** By path, whatever the body's type is: streams that are no gRPC. */
  readonly streams?: Readonly<Record<string, GrpcHandler>>;
  /** Takes connections that choose the native tunnel by ALPN. Only with TLS. */
  readonly native?: { readonly protocol: string; readonly accept: (socket: TLSSocket) => void };
  readonly ping: PingOptions;
  readonly log: Logger;
}

export interface RunningListener extends AsyncDisposable {
  /** The port that was taken; 0 for a Unix socket. */
  readonly port: number;
  /** For new connections; those that are open keep what they have. Nothing happens on a listener without TLS. */
  updateTls(tls: ServerTls): void;
}

/** One port that serves gRPC calls. Disposal cuts every connection. */
export async function listenGrpc(options: GrpcListenerOptions): Promise<RunningListener> {
  const { tls, handlers, streams = {}, native, ping, log } = options;
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const server = tls
    ? http2.createSecureServer({
        ...sessionOptions,
        ...toTlsOptions(tls),
        // Node replaces `ALPNProtocols` of an HTTP/2 server by its own.
        ALPNCallback: ({ protocols }) => [native?.protocol, 'h2'].find((name) => name && protocols.includes(name)),
        handshakeTimeout: handshakeTimeoutMs,
      })
    : http2.createServer(sessionOptions);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (error: Error) => log.warn('TLS handshake failed', { error: error.message }));
  server.on('sessionError', (error: Error) => log.debug('Connection failed', { error: error.message }));
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.setLocalWindowSize(sessionWindowBytes);
    session.on('error', () => {}); // told by `sessionError`
    session.once('close', () => sessions.delete(session));
    pingRegularly(session, ping);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const path = headers[':path'] ?? '';
    const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined;
    const plain = Object.hasOwn(streams, path) ? streams[path] : undefined;
    if (plain && headers[':method'] === 'POST') {
      plain(stream, headers);
      return;
    }
    const isGrpc = String(headers['content-type'] ?? '').startsWith('application/grpc');
    if (handler && isGrpc && headers[':method'] === 'POST') handler(stream, headers);
    else refuseCall(stream, { code: grpcStatus.unimplemented, message: `unknown service or method ${path}` });
  });
  const secure = tls && (server as unknown as TlsServer); // an HTTP/2 server with TLS is a TLS server
  if (secure && native) divert(secure, native);
  const listener = secure ? gateHandshakes(secure) : (server as Server); // and one without is a net server
  const port = await listenOn(listener, options.address);
  return {
    port,
    updateTls: (next) => secure?.setSecureContext(toTlsOptions(next)),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Hands connections of another protocol over before HTTP/2 sees them. */
function divert(server: TlsServer, { protocol, accept }: NonNullable<GrpcListenerOptions['native']>): void {
  const speakHttp = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === protocol) accept(socket);
    else for (const listener of speakHttp) listener.call(server, socket);
  });
}
