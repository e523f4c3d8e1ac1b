import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { messageOf } from '../lib/error-message.ts';
import type { Dial } from '../stream/dial.ts';
import type { ClientCertificate } from './client-config.ts';
import { ConnectionError } from './connection-error.ts';

/** What a connection was opened with; a change of it makes a new connection. */
export interface SessionCredentials {
  readonly ca: string;
  readonly certificate: ClientCertificate | undefined;
}

export interface OpenSessionOptions {
  readonly serverName: string | undefined;
  readonly dial: Dial | undefined;
  readonly signal: AbortSignal;
}

/** Received bytes that may wait in memory: for one stream, and for one connection. */
const streamWindowBytes = 1 << 20;
const connectionWindowBytes = 8 << 20;

/**
 * Opens HTTP/2 over verified TLS (1.2 or newer): the chain must end in `credentials.ca` and the certificate must name the server.
 * @throws {ConnectionError} phase `connect`
 */
export async function openSession(
  url: URL,
  credentials: SessionCredentials,
  { serverName, dial, signal }: OpenSessionOptions,
): Promise<ClientHttp2Session> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port || 443);
  let socket: Duplex | undefined;
  try {
    signal.throwIfAborted();
    socket = await (dial ?? dialTcp)({ host, port }, { signal });
    const secure = await secureSocket(socket, { identity: serverName ?? host, credentials, signal });
    socket = secure;
    const session = connectHttp2(url.origin, {
      createConnection: () => secure,
      settings: { enablePush: false, initialWindowSize: streamWindowBytes },
      maxSessionMemory: 256,
    });
    session.on('error', () => {}); // Each stream reports it too, and the pool listens to 'close'.
    await settled(session, signal);
    session.setLocalWindowSize(connectionWindowBytes);
    return session;
  } catch (error) {
    socket?.destroy();
    if (error instanceof ConnectionError) throw error;
    const message = `Cannot reach the API server at ${url.origin}: ${messageOf(error)}`;
    throw new ConnectionError(message, { server: url.origin, phase: 'connect', cause: error });
  }
}

const dialTcp: Dial = ({ host, port }, { signal }) =>
  new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    const onAbort = () => socket.destroy(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', reject);
      resolve(socket);
    });
  });

interface SecureOptions {
  readonly identity: string;
  readonly credentials: SessionCredentials;
  readonly signal: AbortSignal;
}

function secureSocket(socket: Duplex, { identity, credentials, signal }: SecureOptions): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const { ca, certificate } = credentials;
    const secure = connectTls({
      socket,
      // Node checks the certificate against `servername`, else against `host`; an address must not be sent as SNI.
      ...(isIP(identity) ? { host: identity } : { servername: identity }),
      ca,
      ...(certificate && { cert: certificate.certificate, key: certificate.key }),
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
    });
    const onAbort = () => secure.destroy(signal.reason);
    const fail = (error: Error) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(error);
    };
    const onClose = () => fail(new Error('the connection was closed during the TLS handshake'));
    signal.addEventListener('abort', onAbort, { once: true });
    secure.once('error', fail);
    secure.once('close', onClose);
    secure.once('secureConnect', () => {
      secure.off('close', onClose);
      if (secure.alpnProtocol !== 'h2') {
        secure.destroy();
        return fail(new Error('the server does not speak HTTP/2'));
      }
      signal.removeEventListener('abort', onAbort);
      secure.off('error', fail);
      secure.on('error', () => {}); // From here on the session reports it.
      resolve(secure);
    });
  });
}

/** Waits for the server's SETTINGS: a client certificate that TLS 1.3 refuses shows itself only here. */
function settled(session: ClientHttp2Session, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let cause: unknown = new Error('the connection was closed before HTTP/2 was set up');
    const cleanUp = () => {
      signal.removeEventListener('abort', onAbort);
      session.off('close', onClose).off('error', onError).off('remoteSettings', onSettings);
    };
    const onAbort = () => session.destroy(signal.reason);
    const onError = (error: unknown) => {
      cause = error;
    };
    const onClose = () => {
      cleanUp();
      reject(cause);
    };
    const onSettings = () => {
      cleanUp();
      resolve();
    };
    if (signal.aborted) session.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    session.on('error', onError).on('close', onClose).on('remoteSettings', onSettings);
  });
}
