import type { Duplex } from 'node:stream';
import { requestUpgrade } from './request-upgrade.ts';
import { streamProtocolHeader } from './spdy-handshake.ts';
import { SpdySession } from './spdy-session.ts';
import { listHeader, tuneSocket } from './upgrade.ts';

export interface OpenSpdyOptions {
  /** @default 'POST', as Go clients do */
  readonly method?: string;
  readonly host: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Offered in this order. */
  readonly protocols: readonly string[];
  readonly signal: AbortSignal;
  /** @default 5000 */
  readonly pingIntervalMs?: number;
}

/**
 * Upgrades `transport` (TLS included where there is any) to SPDY/3.1.
 * `protocol` is what the server chose; `''` where it does not say, which a Go client takes for the oldest.
 * @throws {UpgradeRefused} for any answer but a good 101
 */
export async function openSpdy(
  transport: Duplex,
  options: OpenSpdyOptions,
): Promise<{ session: SpdySession; protocol: string }> {
  const { host, path, signal, protocols } = options;
  const { headers, socket, head } = await requestUpgrade(transport, {
    method: options.method ?? 'POST',
    host,
    path,
    signal,
    headers: {
      ...options.headers,
      Connection: 'Upgrade',
      Upgrade: 'SPDY/3.1',
      'X-Stream-Protocol-Version': protocols,
    },
  });
  const [protocol = ''] = listHeader(headers[streamProtocolHeader]);
  if (
    !String(headers.upgrade).toLowerCase().includes('spdy/3.1') ||
    (protocol !== '' && !protocols.includes(protocol))
  ) {
    socket.destroy();
    throw new Error(`The server switched to "${headers.upgrade}" with protocol "${protocol}", which was not asked for`);
  }
  tuneSocket(socket);
  const pings = options.pingIntervalMs === undefined ? {} : { pingIntervalMs: options.pingIntervalMs };
  return { session: new SpdySession(socket, { ...pings, role: 'client', head }), protocol };
}
