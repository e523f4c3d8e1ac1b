import { type PortForwardConnection, portForwardProtocol, portForwardTunnelProtocol } from './port-forward.ts';
import { PortForwardPairs } from './port-forward-pairs.ts';
import { acceptLegacyPortForward } from './port-forward-websocket.ts';
import { acceptSpdy } from './spdy-handshake.ts';
import { SpdySession } from './spdy-session.ts';
import { isWebSocketUpgrade, listHeader, type UpgradeRequest } from './upgrade.ts';
import { acceptWebSocket } from './websocket.ts';
import { WebSocketTunnel } from './websocket-tunnel.ts';

export interface AcceptPortForwardOptions {
  /** Ends the connection at once, at any time. */
  readonly signal: AbortSignal;
  /** The ports that a legacy WebSocket names in its query. @default none: such a request is refused */
  readonly ports?: readonly number[];
  /** @default 5000 */
  readonly pingIntervalMs?: number;
}

/**
 * Takes over an upgrade request for port-forward: SPDY/3.1, SPDY/3.1 in a WebSocket, or the older WebSocket form.
 * Each request that is iterated has to be served, failed or destroyed.
 * @throws {HandshakeError} when the handshake is refused; the client has been answered
 */
export function acceptPortForward(upgrade: UpgradeRequest, options: AcceptPortForwardOptions): PortForwardConnection {
  const connection = accept(upgrade, options);
  const abort = () => upgrade.socket.destroy();
  options.signal.addEventListener('abort', abort, { once: true });
  connection.closed.addEventListener('abort', () => options.signal.removeEventListener('abort', abort), { once: true });
  if (options.signal.aborted) abort();
  return connection;
}

function accept(upgrade: UpgradeRequest, options: AcceptPortForwardOptions): PortForwardConnection {
  const pings = options.pingIntervalMs === undefined ? {} : { pingIntervalMs: options.pingIntervalMs };
  if (!isWebSocketUpgrade(upgrade.request)) {
    return servePairs((onStream) => acceptSpdy(upgrade, [portForwardProtocol], { ...pings, onStream }).session);
  }
  if (listHeader(upgrade.request.headers['sec-websocket-protocol']).includes(portForwardTunnelProtocol)) {
    const websocket = acceptWebSocket(upgrade, { ...pings, protocol: portForwardTunnelProtocol });
    const tunnel = new WebSocketTunnel(websocket);
    return servePairs((onStream) => new SpdySession(tunnel, { ...pings, role: 'server', onStream }));
  }
  return acceptLegacyPortForward(upgrade, options.ports ?? [], pings);
}

function servePairs(open: (onStream: PortForwardPairs['offer']) => SpdySession): PortForwardConnection {
  const pairs = new PortForwardPairs();
  const session = open(pairs.offer);
  session.closed.addEventListener('abort', () => pairs.end(), { once: true });
  if (session.closed.aborted) pairs.end();
  return {
    closed: session.closed,
    [Symbol.asyncIterator]: () => pairs.requests[Symbol.asyncIterator](),
    [Symbol.asyncDispose]: () => session.close(),
  };
}
