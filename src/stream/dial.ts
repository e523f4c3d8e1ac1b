import type { Duplex } from 'node:stream';

/** Where to connect to, and for which node, so that the route can be chosen per node. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** The node this connection goes to or through, where one is known. */
  readonly node?: string;
  /** Upstream's name for the kind of traffic, as an egress selector chooses by it. @default cluster */
  readonly network?: EgressNetwork;
}

/** `cluster`: nodes, pods and Services. `controlplane`: servers named by URL. */
export type EgressNetwork = 'cluster' | 'controlplane' | 'etcd';

/** The way that one connection took. */
export interface DialRoute {
  readonly kind: 'direct' | 'tunnel' | 'ssh' | 'egress-selector';
  /** Who passes the bytes on: the agent's id, the SSH server's address, the proxy's address. None for `direct`. */
  readonly via?: string;
}

export interface DialOptions {
  /** Gives the dial up; what is open by then is freed. It has no effect on a stream that was handed over. */
  readonly signal: AbortSignal;
  /** Hears the route as soon as it is chosen, also where the dial fails later. */
  readonly onRoute?: (route: DialRoute) => void;
}

/**
 * Opens a byte stream to `target`. The API server reaches nodes, pods and services only through this function
 * and cannot tell a tunnel from a socket. The stream is half-closable: `end()` leaves the other direction open.
 * @throws an error that names the hop that failed
 */
export type Dial = (target: DialTarget, options: DialOptions) => Promise<Duplex>;
