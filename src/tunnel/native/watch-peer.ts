import type { Http2Session } from 'node:http2';

export interface WatchPeerOptions {
  /** Bytes read from the peer so far. */
  readonly bytesRead: () => number;
  /** A peer that says nothing for so long is pinged. */
  readonly quietMs: number;
  /** One that says nothing for so long is gone. */
  readonly deadMs: number;
  /** How often it is looked. @default 1000 */
  readonly tickMs?: number;
  /** Called once. */
  readonly onDead: (error: Error) => void;
}

/**
 * Finds a peer that is gone without a word. Whatever comes from the peer shows that it lives, so that a ping that
 * waits behind much data on a slow line harms nobody; time in which this process did not run does not count. Ends with the session.
 */
export function watchPeer(
  session: Http2Session,
  { bytesRead, quietMs, deadMs, tickMs = 1000, onDead }: WatchPeerOptions,
): void {
  let bytes = -1;
  let tickedMs = performance.now();
  let heardMs = tickedMs;
  let pinged = false;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const slept = nowMs - tickedMs > 3 * tickMs;
    tickedMs = nowMs;
    const read = bytesRead();
    if (read !== bytes || slept) {
      bytes = read;
      heardMs = nowMs;
      pinged = false;
    }
    if (session.destroyed) return;
    if (nowMs - heardMs >= deadMs) {
      clearInterval(timer);
      onDead(new Error(`the peer did not answer a ping within ${Math.round((nowMs - heardMs) / 1000)} s`));
    } else if (nowMs - heardMs >= quietMs && !pinged) {
      pinged = true;
      session.ping(() => {});
    }
  }, tickMs);
  timer.unref();
  session.once('close', () => clearInterval(timer));
}
