import type { Duplex } from 'node:stream';

/** One connection that the client wants to a port of the pod. */
export interface PortForwardRequest {
  readonly port: number;
  /** Bytes both ways; each side ends by itself. */
  readonly stream: Duplex;
  /** Tells the client why the port cannot be reached, and ends `stream`. */
  fail(text: string): void;
}

/** The serving end of a port-forward: the requests of one client until it goes away. */
export interface PortForwardConnection extends AsyncIterable<PortForwardRequest>, AsyncDisposable {
  /** Aborts when the connection is over. */
  readonly closed: AbortSignal;
}

/** The subprotocol of port-forward on SPDY streams. */
export const portForwardProtocol = 'portforward.k8s.io';

/** A WebSocket whose binary messages carry SPDY/3.1 with {@link portForwardProtocol}. */
export const portForwardTunnelProtocol = 'SPDY/3.1+portforward.k8s.io';

/** A port as `port` headers and queries have it; `undefined` where it is none. */
export function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : undefined;
}
