import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../lib/log.ts';
import { handshakeTimeoutMs } from '../session-settings.ts';
import { splice } from '../splice.ts';
import { DialError } from './dial-error.ts';
import type { TunnelDialer } from './dialer.ts';
import type { RunningListener } from './grpc-listener.ts';
import { type ListenAddress, listenOn } from './listen-address.ts';
import type { ServerMetrics } from './server-metrics.ts';
import { type ServerTls, toTlsOptions } from './server-tls.ts';

export interface ConnectFrontendOptions {
  readonly address: ListenAddress;
  readonly tls?: ServerTls | undefined;
  readonly dial: TunnelDialer;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
}

const established = 'HTTP/1.1 200 Connection Established\r\n\r\n';
/** Clients refuse bytes that they read together with the header; one that speaks first has read it. */
const settleMs = 20;
const maxHeaderBytes = 1024 * 1024;
const headersTimeoutMs = 60_000;

/** The HTTP CONNECT front end. The request target is the destination; 200 comes after the agent's answer and before the target's first byte. */
export async function listenConnect(options: ConnectFrontendOptions): Promise<RunningListener> {
  const { tls, dial, metrics, log } = options;
  const sockets = new Set<Duplex>();
  const serverOptions = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: headersTimeoutMs,
    noDelay: true,
    allowHalfOpen: true,
  };
  const server = tls
    ? https.createServer({
        ...serverOptions,
        ...toTlsOptions(tls),
        ALPNProtocols: ['http/1.1'],
        handshakeTimeout: handshakeTimeoutMs,
      })
    : http.createServer(serverOptions);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (error: Error) => log.warn('TLS handshake failed', { error: error.message }));
  server.on('request', (_, response) => {
    response.writeHead(405, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end('this proxy only supports CONNECT passthrough\n');
  });
  server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => log.debug('Client connection failed', { error: error.message }));
    metrics.httpConnections.inc();
    void tunnel(request.url ?? '', socket, head).finally(() => metrics.httpConnections.dec());
  });

  async function tunnel(address: string, socket: Duplex, head: Buffer): Promise<void> {
    const abandoned = new AbortController();
    const abandon = () => abandoned.abort(new Error('the client hung up'));
    socket.once('close', abandon);
    try {
      const connection = await dial({ protocol: 'tcp', address, signal: abandoned.signal });
      socket.off('close', abandon);
      if (head.length > 0) socket.unshift(head);
      await new Promise<void>((resolve) => socket.write(established, () => resolve()));
      await splice(socket, connection, {
        settleMs,
        onWritten: (seconds) => metrics.frontendWriteDuration.observe(seconds),
      });
    } catch (error) {
      socket.off('close', abandon);
      refuse(socket, error);
    }
  }

  const port = await listenOn(server as Server, options.address); // HTTP servers are net servers
  return {
    port,
    updateTls: (next) => {
      if (server instanceof https.Server) server.setSecureContext(toTlsOptions(next));
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Answers with the status and body that upstream gives, and closes. */
function refuse(socket: Duplex, error: unknown): void {
  const reason = error instanceof DialError ? error.reason : undefined;
  if (socket.destroyed || reason === 'backend_close' || reason === 'canceled') {
    socket.destroy();
    return;
  }
  const { status, type, body } = refusalOf(error);
  const text = http.STATUS_CODES[status] ?? '';
  socket.end(`HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Type: ${type}\r\n\r\n${body}`);
  socket.resume();
}

function refusalOf(error: unknown): { status: number; type: string; body: string } {
  const message = error instanceof Error ? error.message : String(error);
  const utf8 = 'text/plain; charset=utf-8';
  switch (error instanceof DialError ? error.reason : undefined) {
    case 'no_agent':
      return { status: 500, type: 'text/plain', body: `currently no tunnels available: ${message}` };
    case 'backend_lost':
      return { status: 502, type: utf8, body: `Backend context error: ${message}` };
    case 'backend_dial_timeout':
      return { status: 504, type: utf8, body: `Backend dial timeout: ${message}` };
    case 'error_response':
      return { status: statusOf(message), type: utf8, body: message };
    default:
      return { status: 502, type: utf8, body: `Failed to tunnel dial request: ${message}` };
  }
}

/** Upstream's reading of an agent's error text. */
function statusOf(message: string): number {
  const text = message.toLowerCase();
  if (/i\/o timeout|deadline exceeded|timeout/.test(text)) return 504;
  return text.includes('too many open files') ? 503 : 502;
}
