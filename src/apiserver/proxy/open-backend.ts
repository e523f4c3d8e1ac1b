import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import type { Dial } from '../../stream/dial.ts';
import { tuneSocket } from '../../stream/upgrade.ts';
import type { Destination } from '../destinations/destination.ts';
import { secureOver } from '../secure-over.ts';
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

async function shakeHands(transport: Duplex, trust: Exclude<BackendTrust, { kind: 'plaintext' }>): Promise<Duplex> {
  const verified = trust.kind === 'verified';
  const options: ConnectionOptions = {
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: verified,
    ...(verified && {
      secureContext: trust.context,
      servername: isIP(trust.serverName) ? '' : trust.serverName,
      checkServerIdentity: (_name: string, { raw }: { raw: Uint8Array }) => checkBackendIdentity(raw, trust.serverName),
    }),
  };
  const late = new AbortController();
  const giveUp = () => late.abort(new Error(`no handshake within ${handshakeTimeoutMs} ms`));
  const timer = setTimeout(giveUp, handshakeTimeoutMs);
  try {
    return await secureOver(transport, options, { signal: late.signal });
  } finally {
    clearTimeout(timer);
  }
}
