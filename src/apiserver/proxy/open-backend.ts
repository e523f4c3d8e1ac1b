import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Dial } from '../../stream/dial.ts';
import { tuneSocket } from '../../stream/upgrade.ts';
import type { Destination } from '../destinations/destination.ts';
import { type BackendTrust, checkBackendIdentity } from './backend-trust.ts';

const dialTimeoutMs = 30_000;
const handshakeTimeoutMs = 10_000;

/**
 * A connection to a destination, with TLS on it where `trust` says so. It speaks HTTP/1.1 and shows no certificate.
 * @throws an error that names the hop
 */
export async function openBackend(
  { host, port, node }: Destination,
  { trust, dial }: { readonly trust: BackendTrust; readonly dial: Dial },
): Promise<Duplex> {
  const transport = await dial({ host, port, node }, { signal: AbortSignal.timeout(dialTimeoutMs) });
  tuneSocket(transport);
  if (trust.kind === 'plaintext') return transport;
  return shakeHands(transport, trust).catch((cause: Error) => {
    throw new Error(`${hostAndPort({ host, port })}: tls: ${cause.message}`, { cause });
  });
}

/** As it stands in a URL. */
export function hostAndPort({ host, port }: Pick<Destination, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function shakeHands(transport: Duplex, trust: Exclude<BackendTrust, { kind: 'plaintext' }>): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const verified = trust.kind === 'verified';
    const socket = connectTls({
      socket: transport,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: verified,
      ...(verified && {
        secureContext: trust.context,
        servername: isIP(trust.serverName) ? '' : trust.serverName,
        checkServerIdentity: (_name: string, { raw }: { raw: Uint8Array }) =>
          checkBackendIdentity(raw, trust.serverName),
      }),
    });
    const fail = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      transport.destroy();
      reject(error);
    };
    const lost = () => fail(new Error('the connection was closed during the handshake'));
    const timer = setTimeout(() => fail(new Error(`no handshake within ${handshakeTimeoutMs} ms`)), handshakeTimeoutMs);
    socket.once('error', fail);
    socket.once('close', lost);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.off('close', lost);
      socket.off('error', fail);
      socket.on('error', () => {}); // whoever reads or writes sees it
      resolve(socket);
    });
  });
}
