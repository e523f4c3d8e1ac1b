import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { messageOf } from '../../lib/error-message.ts';
import type { Dial, DialRoute } from '../../stream/dial.ts';
import { secureOver } from '../secure-over.ts';
import { type Backend, BackendError } from './backend.ts';

export interface ConnectOptions {
  readonly dial: Dial;
  /** Bounds dialling and the handshake; the connection is the caller's afterwards. */
  readonly signal: AbortSignal;
}

/**
 * Opens a TLS connection to a backend, HTTP/1.1 alone, and verifies its certificate unless the backend's configuration says otherwise.
 * @throws {BackendError} that names the hop: `dial` or `tls`
 */
export async function connectBackend(backend: Backend, { dial, signal }: ConnectOptions): Promise<TLSSocket> {
  const { host, port, node, network } = backend;
  let route: DialRoute | undefined;
  const target = { host, port, network, ...(node !== undefined && { node }) };
  const onRoute = (chosen: DialRoute) => {
    route = chosen;
  };
  const transport = await dial(target, { signal, onRoute }).catch((cause: unknown) => {
    throw new BackendError('dial', `${messageOf(cause)} (${describe(backend, route)})`, { cause });
  });
  return shakeHands(transport, backend, signal).catch((cause: Error) => {
    throw new BackendError('tls', `${explainTls(cause, backend)} (${describe(backend, route)})`, { cause });
  });
}

/** `pod default/hook-0 at 10.1.0.7:8443, node node-1, route tunnel via agent-1`. */
export function describe({ title, host, port, node }: Backend, route?: DialRoute): string {
  const address = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const via = route?.via === undefined ? '' : ` via ${route.via}`;
  return [
    `${title} at ${address}`,
    ...(node === undefined ? [] : [`node ${node}`]),
    ...(route === undefined ? [] : [`route ${route.kind}${via}`]),
  ].join(', ');
}

function shakeHands(
  transport: Duplex,
  { serverName, caPem, verify, client }: Backend,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const options: ConnectionOptions = {
    // An address is no server name in TLS; the certificate is checked against it all the same.
    ...(isIP(serverName) ? { host: serverName } : { servername: serverName }),
    ...(caPem !== undefined && { ca: caPem }),
    ...(client && { cert: client.certificatePem, key: client.keyPem }),
    rejectUnauthorized: verify,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  };
  return secureOver(transport, options, { signal, lost: 'the connection was closed during the TLS handshake' });
}

const unknownAuthority = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

/** Why the backend is not believed, in Go's words where it has them. */
function explainTls(error: Error & { code?: string; cert?: { subjectaltname?: string } }, backend: Backend): string {
  const { code = '' } = error;
  const failed = 'tls: failed to verify certificate: x509:';
  if (unknownAuthority.has(code)) {
    const covers = backend.caPem === undefined ? 'there is no caBundle' : 'the caBundle does not cover it';
    return `${failed} certificate signed by unknown authority: ${covers}`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = error.cert?.subjectaltname?.replaceAll(/(?:DNS|IP Address):/g, '') ?? 'no names';
    return `${failed} certificate is valid for ${names}, not ${backend.serverName}`;
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `${failed} certificate has expired or is not yet valid`;
  }
  return `tls: ${error.message}`;
}
