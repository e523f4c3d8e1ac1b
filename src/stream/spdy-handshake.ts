import { SpdySession, type SpdySessionOptions } from './spdy-session.ts';
import { listHeader, refuseUpgrade, tuneSocket, type UpgradeRequest } from './upgrade.ts';

/** The header that offers and chooses what is spoken on the streams. */
export const streamProtocolHeader = 'x-stream-protocol-version';

/**
 * Answers an `Upgrade: SPDY/3.1`: the first protocol of the client that is in `supported` is chosen.
 * Source: k8s.io/apimachinery `pkg/util/httpstream/httpstream.go` (Handshake), `spdy/upgrade.go`.
 * @throws {HandshakeError} after having answered 400 or 403
 */
export function acceptSpdy<Protocol extends string>(
  upgrade: UpgradeRequest,
  supported: readonly Protocol[],
  options: Omit<SpdySessionOptions, 'role' | 'head'>,
): { session: SpdySession; protocol: Protocol } {
  const { request, socket, head } = upgrade;
  const connection = String(request.headers.connection ?? '').toLowerCase();
  const wanted = String(request.headers.upgrade ?? '').toLowerCase();
  if (!connection.includes('upgrade') || !wanted.includes('spdy/3.1')) {
    throw refuseUpgrade(upgrade, 400, 'unable to upgrade: missing upgrade headers in request');
  }
  const offered = listHeader(request.headers[streamProtocolHeader]);
  if (offered.length === 0) {
    throw refuseUpgrade(upgrade, 400, `unable to upgrade: X-Stream-Protocol-Version is required`);
  }
  const chosen = offered.map((name) => supported.find((known) => known === name)).find((known) => known !== undefined);
  if (chosen === undefined) {
    const accepted = supported.map((name) => `X-Accepted-Stream-Protocol-Versions: ${name}`);
    const text = `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${supported.join(' ')}]`;
    throw refuseUpgrade(upgrade, 403, text, accepted);
  }
  tuneSocket(socket);
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${chosen}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return { session: new SpdySession(socket, { ...options, role: 'server', head }), protocol: chosen };
}
