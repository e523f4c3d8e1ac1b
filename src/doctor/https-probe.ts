import { connect, type TLSSocket } from 'node:tls';
import { request as httpRequest } from '../lib/node-http.ts';
import type { PathHop } from './path-report.ts';

export interface HttpsProbe {
  readonly host: string;
  readonly port: number;
  /** PEM of who the server must be of. */
  readonly ca: string;
  /** The name that its certificate must carry. @default `host` */
  readonly serverName?: string;
  readonly certificate?: { readonly certificate: string; readonly key: string };
  readonly token?: string;
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface HttpsProbeResult {
  readonly status: number;
  readonly body: string;
  readonly hop: Pick<PathHop, 'address' | 'tls' | 'latencyMs'>;
}

const maxBodyBytes = 256 * 1024;

/** One request over a TLS connection of its own, verified, with what was seen of the connection. @throws where it cannot be verified or reached */
export async function probeHttps(probe: HttpsProbe): Promise<HttpsProbeResult> {
  const startedMs = performance.now();
  const socket = await shakeHands(probe);
  try {
    const tls = tlsOf(socket, probe.serverName ?? probe.host);
    const { status, body } = await exchange(socket, probe);
    const latencyMs = Math.round((performance.now() - startedMs) * 10) / 10;
    return { status, body, hop: { address: `${probe.host}:${probe.port}`, tls, latencyMs } };
  } finally {
    socket.destroy();
  }
}

/** What a verified connection shows about its other end. */
export function tlsOf(socket: TLSSocket, name: string): NonNullable<PathHop['tls']> {
  const certificate = socket.getPeerX509Certificate();
  const commonName = (subject = '') => /^CN=(.*)$/m.exec(subject)?.[1] ?? subject;
  return {
    version: socket.getProtocol() ?? '',
    peer: commonName(certificate?.subject),
    authority: commonName(certificate?.issuer),
    name,
  };
}

function shakeHands({ host, port, ca, serverName, certificate, signal }: HttpsProbe): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ca,
      ...(serverName !== undefined && { servername: serverName }),
      ...(certificate && { cert: certificate.certificate, key: certificate.key }),
      ALPNProtocols: ['http/1.1'],
    });
    const abandon = () => socket.destroy(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', abandon));
    if (signal.aborted) abandon();
    socket.once('error', reject);
    socket.once('secureConnect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

function exchange(socket: TLSSocket, probe: HttpsProbe): Promise<{ status: number; body: string }> {
  const { method = 'GET', path, host, port, token, body } = probe;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method,
      path,
      createConnection: () => socket,
      headers: {
        host: `${host}:${port}`,
        connection: 'close',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxBodyBytes) chunks.push(chunk);
        else request.destroy(new Error(`an answer of more than ${maxBodyBytes} bytes`));
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    request.end(body);
  });
}
