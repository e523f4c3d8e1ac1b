import type { ServerResponse as Http1Response, IncomingMessage, ServerOptions } from 'node:http';
import {
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { Logger } from '../lib/log.ts';
import { ServerResponse } from '../lib/node-http.ts';
import { gateHandshakes } from '../stream/handshake-gate.ts';
import { type AgentConnections, agentPath } from './agent-connections.ts';
import type { ServingCertificate } from './config.ts';
import type { Exchange } from './exchange.ts';
import type { ExchangeBase } from './exchange-base.ts';
import { Http1Exchange } from './exchange-h1.ts';
import { Http2Exchange } from './exchange-h2.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly serving: ServingCertificate;
  /** Named in the certificate request, so that clients know which certificate to show. Nothing is verified in the handshake. */
  readonly clientCaPems: readonly string[];
  readonly log: Logger;
  /** Takes every request. Never rejects. */
  readonly handle: (exchange: Exchange & ExchangeBase) => void;
  /** Who else is served on this port: tunnel agents, by ALPN or by path. They are told from HTTP before there is an exchange. */
  readonly agents?: AgentConnections | undefined;
  /** A path that is not canonical, before there is an exchange. */
  readonly refuse: (error: unknown) => { status: number; body: string };
}

export interface HttpsListener extends AsyncDisposable {
  readonly address: AddressInfo;
  readonly connections: number;
  /** Takes no more connections; open ones go on and are told to end when idle. */
  stopAccepting(): void;
}

const handshakeTimeoutMs = 10_000;
const idleTimeoutMs = 90_000;
const headersTimeoutMs = 32_000;
const maxHeaderBytes = 1024 * 1024;

/** Node reads all of an HTTP server's options here, which its types do not say: hence the detour over a typed constant. */
const http1Options: ServerOptions = {
  maxHeaderSize: maxHeaderBytes,
  headersTimeout: headersTimeoutMs,
  requestTimeout: 0, // each request has a deadline of its own; an upload through a proxy has none
  keepAliveTimeout: idleTimeoutMs,
};

/** One TLS port, HTTP/2 and HTTP/1.1 by ALPN. Every request comes out as an {@link Exchange}. */
export async function listenHttps(options: ListenerOptions): Promise<HttpsListener> {
  const { log, agents } = options;
  const ca = [...options.clientCaPems];
  const pair = options.serving.current();
  const server = createSecureServer({
    allowHTTP1: true,
    ...(agents && { ALPNCallback: chooseProtocol([agents.protocol, 'h2', 'http/1.1']) }),
    cert: pair.certificatePem,
    key: pair.keyPem,
    ...(ca.length > 0 && { ca }),
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    handshakeTimeout: handshakeTimeoutMs,
    noDelay: true,
    keepAlive: true,
    // Clients cancel watches all the time; nghttp2's guard against resets would end their sessions after a thousand.
    streamResetBurst: 1_000_000,
    streamResetRate: 1_000_000,
    maxSessionMemory: 1000,
    settings: { maxConcurrentStreams: 250, maxHeaderListSize: maxHeaderBytes, initialWindowSize: 1024 * 1024 },
    http1Options,
  });
  /** Every accepted connection, also before its handshake is done. */
  const sockets = new Set<Socket>();
  const sessions = new Map<ServerHttp2Session, TLSSocket>();
  let stopped: Promise<void> | undefined;

  // The listeners that speak HTTP are called by this one and make the session, in the same turn: `arriving` is its socket.
  let arriving: TLSSocket | undefined;
  const speakHttp = server.listeners('secureConnection');
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket) => {
    socket.on('error', (error: Error) => log.debug('Connection failed', { error }));
    if (agents && socket.alpnProtocol === agents.protocol) return agents.connection(socket);
    arriving = socket;
    for (const listener of speakHttp) listener.call(server, socket);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('session', (session) => {
    const socket = arriving as TLSSocket; // see above
    sessions.set(session, socket);
    session.once('close', () => sessions.delete(session));
    closeWhenIdle(session);
    if (stopped) session.close(); // it was shaking hands when the others were told
  });
  server.on('sessionError', (error) => log.debug('HTTP/2 session failed', { error }));
  server.on('tlsClientError', (error) => log.debug('TLS handshake failed', { error }));
  server.on('request', (request, response) => {
    // Only HTTP/1.1 gets here: the compatibility layer's own 'stream' listener is taken off below.
    serveHttp1(request as unknown as IncomingMessage, response as unknown as Http1Response);
  });
  server.removeAllListeners('stream');
  // the types do not know the fourth argument
  server.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, rawHeaders: string[] = []) => {
      stream.on('error', (error) => log.debug('Stream failed', { error }));
      const socket = stream.session && sessions.get(stream.session as ServerHttp2Session);
      if (!socket) return stream.close();
      if (agents && headers[':path'] === agentPath) return agents.stream(stream, headers, socket);
      let exchange: Http2Exchange;
      try {
        exchange = new Http2Exchange(stream, headers, rawHeaders, socket);
      } catch (error) {
        const { status, body } = options.refuse(error);
        stream.respond({ ':status': status, 'content-type': 'application/json' });
        stream.end(body);
        return;
      }
      options.handle(exchange);
    },
  );
  server.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
    const response = new ServerResponse(request);
    response.assignSocket(socket);
    response.setHeader('connection', 'close');
    response.once('finish', () => {
      response.detachSocket(socket);
      socket.end();
    });
    serveHttp1(request, response, { request, socket, head });
  });

  function serveHttp1(request: IncomingMessage, response: Http1Response, upgrade?: Exchange['upgrade']): void {
    let exchange: Http1Exchange;
    try {
      exchange = new Http1Exchange(request, response, upgrade);
    } catch (error) {
      const { status, body } = options.refuse(error);
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      return;
    }
    options.handle(exchange);
  }

  const reload = options.serving.onChange?.(() => {
    try {
      const { certificatePem, keyPem } = options.serving.current();
      server.setSecureContext({
        cert: certificatePem,
        key: keyPem,
        ...(ca.length > 0 && { ca }),
        minVersion: 'TLSv1.2',
      });
      log.info('Serving certificate replaced');
    } catch (error) {
      log.error('Serving certificate not usable, the old one stays', { error });
    }
  });

  const listener = gateHandshakes(server as unknown as TlsServer); // an HTTP/2 server with TLS is a TLS server
  await listening(listener, options);
  const stopAccepting = () => {
    stopped ??= new Promise((resolve) => {
      listener.close(() => resolve());
      server.close(); // it does not listen itself: this ends connections that rest
    });
    return stopped;
  };
  return {
    address: listener.address() as AddressInfo, // a TCP server that listens has one
    get connections() {
      return sockets.size;
    },
    stopAccepting: () => void stopAccepting(),
    async [Symbol.asyncDispose]() {
      reload?.[Symbol.dispose]();
      const closed = stopAccepting();
      for (const session of sessions.keys()) session.destroy();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** The first of `ours` that the client offers; a client that offers none of them is refused in the handshake. */
function chooseProtocol(ours: readonly string[]): (offer: { protocols: string[] }) => string | undefined {
  return ({ protocols }) => ours.find((protocol) => protocols.includes(protocol));
}

function listening(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Ends a session that had no stream for the idle time. A quiet watch keeps it. */
function closeWhenIdle(session: ServerHttp2Session): void {
  let streams = 0;
  session.on('stream', (stream) => {
    streams++;
    stream.once('close', () => streams--);
  });
  session.setTimeout(idleTimeoutMs, () => {
    if (streams === 0) session.close();
  });
}
