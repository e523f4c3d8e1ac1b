import type { Duplex } from 'node:stream';

/** A request's other end, once it has been decided: who it is, how far it is proved, and how it is reached. */
export interface ProxyTarget {
  /** `address:port`, as links of the backend may name it. */
  readonly authority: string;
  readonly transport: 'plaintext' | 'unverified' | 'verified';
  /** The node up to which a tunnel encrypts, whatever is spoken in it. */
  readonly tunnelledTo: string | undefined;
  /** Tells connections that must not stand in for each other apart. */
  readonly key: string;
  /** Path with query, as the backend is asked. */
  readonly path: string;
  open(): Promise<Duplex>;
}
