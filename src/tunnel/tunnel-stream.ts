import type { Duplex } from 'node:stream';

/**
 * One tunnelled connection as front ends and targets see it, whichever protocol carries it: a half-closable byte stream. Emits `peerClose` when the
 * peer closed both directions, which may be before the readable end.
 */
export interface TunnelStream extends Duplex {
  /** Never 0; its own among the connections of its agent. */
  readonly connectId: bigint;
  /** `host:port`, for people. */
  readonly address: string;
  /** What the peer said when it closed the connection; empty for an ordinary close. */
  readonly closeError: string;
  /** Whether the peer, or the loss of the tunnel, ended both directions. */
  readonly closedByPeer: boolean;
  /** Delivers what was written, then closes both directions. What still comes in may be read until the stream ends. */
  close(): void;
  /** As {@link close}, but tells the peer, where the protocol can, that the connection broke and did not end. */
  reset(): void;
}
