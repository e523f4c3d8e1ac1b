import type { Duplex } from 'node:stream';

/** Where to connect to, and for which node, so that the route can be chosen per node. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** The node this connection goes to or through, where one is known. */
  readonly node?: string;
}

/**
 * Opens a byte stream to `target`. The API server reaches nodes, pods and services only through this function
 * and cannot tell a tunnel from a socket. The stream is half-closable: `end()` leaves the other direction open.
 * @throws an error that names the hop that failed
 */
export type Dial = (target: DialTarget, options: { signal: AbortSignal }) => Promise<Duplex>;
