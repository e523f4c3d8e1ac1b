import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Authenticator } from '../../auth/authenticator.ts';
import type { UserInfo } from '../../auth/user.ts';
import type { ClientCertificate } from '../../client/client-config.ts';
import { ConfigError } from '../../lib/config-error.ts';
import type { Logger } from '../../lib/log.ts';
import { HandshakeError, refuseUpgrade, type UpgradeRequest } from '../../stream/upgrade.ts';
import type { KubeletAuthorizer } from './authorization.ts';
import { HttpError, type KubeletApi } from './kubelet-api.ts';
import { serveRequest, serveUpgrade } from './router.ts';

export interface KubeletServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Asked in this order; nobody knowing the caller means 401. */
  readonly authenticators: readonly Authenticator[];
  readonly authorizer: Pick<KubeletAuthorizer, 'authorize'>;
  readonly api: KubeletApi;
  readonly log: Logger;
}

/** The kubelet's HTTPS listener. Until a certificate is set, every handshake fails. */
export interface KubeletServer extends AsyncDisposable {
  readonly port: number;
  /** For new connections; present ones and their streams go on. */
  setCertificate(certificate: ClientCertificate): void;
}

const idleMs = 90_000;
const headersMs = 30_000;
const maxHeaderBytes = 1 << 20;
/** Streams and requests at one time; more are refused. */
const maxConnections = 4096;

export async function listenKubelet(options: KubeletServerOptions): Promise<KubeletServer> {
  const { host, port, api, log } = options;
  const streams = new AbortController();
  const server = createServer({
    requestCert: true,
    rejectUnauthorized: false, // client certificates are judged per request, so that a wrong one gets a 401 that says so
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    keepAliveTimeout: idleMs,
    headersTimeout: headersMs,
    requestTimeout: 0,
    maxHeaderSize: maxHeaderBytes,
  });
  server.maxConnections = maxConnections;
  server.on('tlsClientError', (error: Error) => log.debug('TLS handshake failed', { error }));
  server.on('request', (request, response) => {
    request.resume(); // no endpoint reads a body
    void (async () => {
      try {
        await admit(options, request);
        await serveRequest(api, request, response);
      } catch (error) {
        const { status, message } = describe(error, log);
        if (response.headersSent) return response.destroy();
        const type = message.startsWith('{') ? 'application/json' : 'text/plain; charset=utf-8';
        response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' }).end(`${message}\n`);
      }
    })();
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => {}); // whoever serves the stream sees its end
    const upgrade: UpgradeRequest = { request, socket, head };
    void (async () => {
      try {
        await admit(options, request);
        const url = new URL(request.url ?? '/', 'https://kubelet');
        await serveUpgrade(api, url, { upgrade, signal: streams.signal });
      } catch (error) {
        if (error instanceof HandshakeError) return; // answered already
        const { status, message } = describe(error, log);
        if (!socket.destroyed && error instanceof HttpError) refuseUpgrade(upgrade, status, message);
        else socket.destroy();
      }
    })();
  });
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    setCertificate: ({ certificate, key }) =>
      server.setSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' }),
    [Symbol.asyncDispose]: async () => {
      streams.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Authentication, then authorization. @throws {HttpError} 401, 403, 500 */
async function admit(
  { authenticators, authorizer, log }: KubeletServerOptions,
  request: IncomingMessage,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'https://kubelet');
  const user = await authenticate(authenticators, request, { path: pathname, log });
  if (!user) throw new HttpError(401, 'Unauthorized');
  const method = request.method ?? 'GET';
  const decision = await authorizer.authorize(user, { method, path: pathname }).catch((error: unknown) => {
    log.warn('Cannot ask the API server for authorization', { user: user.username, error });
    throw new HttpError(500, `Authorization error (user=${user.username}): the API server cannot be asked`);
  });
  if (!decision.allowed) throw new HttpError(403, decision.message);
}

async function authenticate(
  authenticators: readonly Authenticator[],
  { headers, socket }: IncomingMessage,
  { path, log }: { path: string; log: Logger },
): Promise<UserInfo | undefined> {
  // The server is an HTTPS one: its sockets are TLS sockets.
  const credentials = { headers, socket: socket as TLSSocket, path };
  for (const authenticator of authenticators) {
    const result = await authenticator.authenticate(credentials);
    if (result.outcome === 'authenticated') return result.user;
    if (result.outcome === 'rejected') log.info('Credentials refused', { by: authenticator.name, error: result.error });
  }
  return undefined;
}

const runtimeStatuses: Readonly<Record<string, number>> = { NotFound: 404, NotRunning: 404 };

function describe(error: unknown, log: Logger): { status: number; message: string } {
  if (error instanceof HttpError) return error;
  log.warn('Request failed', { error });
  const { message, reason } = error as Error & { reason?: string };
  return { status: runtimeStatuses[reason ?? ''] ?? 500, message };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new ConfigError(`Cannot listen on ${host}:${port} for the kubelet API: ${cause.message}`, { cause })),
    );
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {}); // a listening server has only accept errors, which Node retries
      resolve();
    });
  });
}
