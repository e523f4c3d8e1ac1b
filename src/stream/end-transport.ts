import type { Duplex } from 'node:stream';

export interface EndOptions {
  /** How long the peer may take to end its side once everything is written. @default 60000 */
  readonly lingerMs?: number;
  /** How long nothing at all may be taken of what is still to be written. @default 600000 */
  readonly stallMs?: number;
  /** How much of what the peer still sends is read and dropped: one that sends without end is cut. @default unbounded */
  readonly maxDroppedBytes?: number;
}

/**
 * Ends `transport` so that the peer gets everything written to it: sends the end, goes on reading (and dropping) until the peer ends too,
 * and destroys it then or at a deadline. Closing a socket with unread input would send a reset, which discards what the peer
 * has not read yet. Resolves when the transport is closed; never rejects.
 */
export function endTransport(transport: Duplex, options: EndOptions = {}): Promise<void> {
  if (transport.closed) return Promise.resolve();
  return new Promise((resolve) => {
    const destroy = () => transport.destroy();
    let pending = transport.writableLength;
    let timer = setInterval(() => {
      if (transport.writableLength >= pending) destroy();
      pending = transport.writableLength;
    }, options.stallMs ?? 600_000).unref();
    transport.on('error', destroy); // a connection that is being ended has nobody left to tell
    transport.once('close', () => {
      clearInterval(timer);
      resolve();
    });
    if (transport.destroyed) return;
    transport.end(() => {
      clearInterval(timer);
      timer = setTimeout(destroy, options.lingerMs ?? 60_000).unref();
      if (transport.readableEnded) destroy();
      else transport.once('end', destroy);
    });
    const { maxDroppedBytes } = options;
    if (maxDroppedBytes !== undefined) {
      let dropped = 0;
      transport.on('data', (chunk: Uint8Array) => {
        dropped += chunk.length;
        if (dropped > maxDroppedBytes) destroy();
      });
    }
    transport.resume();
  });
}
