import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { ProxyDialError } from './egress-selector.ts';

/** As upstream's API server waits for its proxy server. */
const connectTimeoutMs = 30_000;

export type ProxyAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly serverName: string; readonly context: SecureContext };

/**
 * Connects to a proxy server: a Unix socket as it is, TCP with mutual TLS. The socket is half-closable.
 * @throws {ProxyDialError} stage `connect`
 */
export async function connectProxy(address: ProxyAddress, { signal }: { signal: AbortSignal }): Promise<Socket> {
  const name = 'path' in address ? `unix:${address.path}` : `${address.host}:${address.port}`;
  const bound = new AbortController();
  const late = () => bound.abort(new Error(`no answer within ${connectTimeoutMs} ms`));
  const timer = setTimeout(late, connectTimeoutMs);
  const abandon = () => bound.abort(signal.reason);
  signal.addEventListener('abort', abandon, { once: true });
  if (signal.aborted) abandon();
  try {
    return await open(address, bound.signal);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ProxyDialError('connect', `cannot connect to the proxy server at ${name}: ${message}`, { cause });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abandon);
  }
}

async function open(address: ProxyAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const options = { allowHalfOpen: true, noDelay: true };
  if ('path' in address) return ready(connectTcp({ path: address.path, ...options }), 'connect', signal);
  const { host, port, serverName, context } = address;
  const raw = await ready(connectTcp({ host, port, ...options }), 'connect', signal);
  const secure = connectTls({
    socket: raw,
    secureContext: context,
    // Node checks the certificate against `servername`, else against `host`; an address must not be sent as SNI.
    ...(isIP(serverName) ? { host: serverName } : { servername: serverName }),
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  });
  return ready(secure, 'secureConnect', signal);
}

/** Resolves at `event`; whatever comes first instead destroys the socket. */
function ready<T extends Socket>(socket: T, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      settle();
      socket.on('error', () => {}); // what it failed of is told already
      socket.destroy();
      reject(error);
    };
    const abandon = () => fail(signal.reason);
    const closed = () => fail(new Error('the connection was closed'));
    const settle = () => {
      signal.removeEventListener('abort', abandon);
      socket.off('error', fail);
      socket.off('close', closed);
    };
    signal.addEventListener('abort', abandon, { once: true });
    socket.once('error', fail);
    socket.once('close', closed);
    socket.once(event, () => {
      settle();
      resolve(socket);
    });
  });
}
