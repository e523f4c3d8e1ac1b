import type { Duplex } from 'node:stream';
import { endTransport } from '../stream/end-transport.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** How long the outer peer may take to end its side after the tunnel has ended both. */
const lingerMs = 10_000;
/** How long it may take none of the last bytes. */
const stallMs = 60_000;
/** How much of what it sends to a tunnel that is closed is dropped, so that it comes to read what was sent to it. */
const maxDroppedBytes = 32 * 1024 * 1024;

export interface SpliceOptions {
  /** The socket gets nothing for so long, unless it speaks first. @default 0 */
  readonly settleMs?: number;
}

/**
 * Carries bytes between a socket and a tunnelled connection until both have ended. What either side gave before it ended or failed is delivered
 * to the other first; a side that ends one direction leaves the other open. Resolves when both are closed; never rejects.
 */
export function splice(socket: Duplex, tunnel: TunnelStream, options: SpliceOptions = {}): Promise<void> {
  const closed = Promise.withResolvers<void>();
  let open = 2;
  const onClose = () => {
    open--;
    if (open === 0) closed.resolve();
  };
  let ending = false;
  const endSocket = () => {
    if (ending) return;
    ending = true;
    void endTransport(socket, { lingerMs, stallMs, maxDroppedBytes });
  };

  const speak = () => {
    clearTimeout(settling);
    settling = undefined;
    tunnel.resume();
  };
  let settling = options.settleMs ? setTimeout(speak, options.settleMs) : undefined;

  socket.on('data', (chunk: Buffer) => {
    if (settling) speak();
    if (!tunnel.writable) return;
    if (!tunnel.write(chunk)) socket.pause();
  });
  tunnel.on('drain', () => socket.resume());
  socket.on('end', () => {
    if (settling) speak();
    tunnel.end();
  });
  // A socket that breaks gives nothing more; what it gave before is still on its way.
  socket.on('error', () => tunnel.close());
  socket.on('close', () => {
    tunnel.close();
    speak();
    onClose();
  });

  tunnel.on('data', (chunk: Buffer) => {
    if (!socket.writable) return;
    if (!socket.write(chunk)) tunnel.pause();
  });
  if (settling) tunnel.pause();
  socket.on('drain', () => {
    if (!settling) tunnel.resume();
  });
  tunnel.on('end', () => {
    if (tunnel.closedByPeer) endSocket();
    else socket.end();
  });
  tunnel.on('peerClose', () => {
    if (tunnel.readableEnded) endSocket();
  });
  tunnel.on('error', () => {
    // Who did not take what came so far must not mistake the cut for an end.
    if (socket.writableNeedDrain) socket.destroy();
    else endSocket();
  });
  tunnel.on('close', () => {
    endSocket();
    onClose();
  });
  // Both may have been paused on their way here.
  socket.resume();
  if (!settling) tunnel.resume();
  if (socket.destroyed) {
    tunnel.close();
    tunnel.resume();
    if (socket.closed) onClose();
  }
  return closed.promise;
}
