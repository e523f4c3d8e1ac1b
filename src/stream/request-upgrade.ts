import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { request as httpRequest } from '../lib/node-http.ts';
import { UpgradeRefused } from './upgrade-refused.ts';

export interface UpgradeOptions {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  /** For the `Host` header. */
  readonly host: string;
  /** `Connection` and `Upgrade` included. A list becomes one header line for each value. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  /** Bounds the handshake, not the connection. */
  readonly signal: AbortSignal;
}

export interface Upgraded {
  readonly headers: IncomingHttpHeaders;
  readonly socket: Duplex;
  /** Bytes that came behind the 101. */
  readonly head: Buffer;
}

const maxRefusalBytes = 50_000;
const answerTimeoutMs = 30_000;

/**
 * Sends an HTTP/1.1 request that asks for an upgrade over `transport` and waits for the 101. On anything else `transport` is destroyed before this
 * rejects, so that nothing can be sent behind a refused upgrade (CVE-2018-1002105).
 * @throws {UpgradeRefused} for any other answer, redirects included
 */
export function requestUpgrade(transport: Duplex, options: UpgradeOptions): Promise<Upgraded> {
  const { method, path, host, signal } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method,
      path,
      headers: { Host: host, ...(method !== 'GET' && { 'Content-Length': '0' }), ...mutable(options.headers) },
      createConnection: () => transport as import('node:net').Socket, // any Duplex serves; the type asks for more
      maxHeaderSize: 64 * 1024,
    });
    const deadline = setTimeout(() => {
      fail(new Error(`no answer to the upgrade within ${answerTimeoutMs} ms`));
    }, answerTimeoutMs);
    const fail = (error: Error) => {
      clearTimeout(deadline);
      signal.removeEventListener('abort', abandon);
      request.destroy();
      transport.destroy();
      reject(error);
    };
    const abandon = () => fail(signal.reason);
    request.on('error', fail);
    request.on('response', (response) => {
      void UpgradeRefused.read(response, maxRefusalBytes).then(fail, fail);
    });
    request.on('upgrade', (response, socket, head) => {
      clearTimeout(deadline);
      signal.removeEventListener('abort', abandon);
      resolve({ headers: response.headers, socket, head });
    });
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
    else request.end();
  });
}

function mutable(headers: UpgradeOptions['headers']): Record<string, string | string[]> {
  const entries = Object.entries(headers);
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === 'string' ? value : [...value]]));
}
