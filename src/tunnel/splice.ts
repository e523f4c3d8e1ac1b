import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { endTransport } from '../stream/end-transport.ts';
import type { TunnelStream } from './tunnel-stream.ts';

/** How long the outer peer may take to end its side after the tunnel has ended both. */
const lingerMs = 10_000;
/** How long it may take none of the last bytes. */
const stallMs = 60_000;
/** How much of what it sends to a tunnel that is closed is dropped, so that it comes to read what was sent to it. */
const maxDroppedBytes = 32 * 1024 * 1024;

export interface SpliceOptions {
  /** Hears how long the socket kept each piece from the tunnel waiting. */
  readonly onWritten?: (seconds: number) => void;
  /** The socket gets nothing for so long, unless it speaks first. @default 0 */
  readonly settleMs?: number;
  /** Tells the other end of the tunnel, where the protocol can, that the socket broke: who sees it must not take it for an end. @default false */
  readonly propagateReset?: boolean;
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
  let blockedMs: number | undefined;
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
  socket.on('error', () => {
    if (options.propagateReset) tunnel.reset();
    else tunnel.close();
  });
  socket.on('close', () => {
    tunnel.close();
    speak();
    onClose();
  });

  tunnel.on('data', (chunk: Buffer) => {
    if (!socket.writable) return;
    if (socket.write(chunk)) {
      options.onWritten?.(0);
      return;
    }
    tunnel.pause();
    blockedMs ??= performance.now();
  });
  if (settling) tunnel.pause();
  socket.on('drain', () => {
    if (blockedMs !== undefined) options.onWritten?.((performance.now() - blockedMs) / 1000);
    blockedMs = undefined;
    if (!settling) tunnel.resume();
  });
  tunnel.on('end', () => {
    if (tunnel.closedByPeer) endSocket();
    else socket.end();
  });
  tunnel.on('peerClose', () => {
    if (tunnel.readableEnded) endSocket();
  });
  // Who took all that came must not mistake the cut for an end.
  tunnel.on('error', () => {
    if (ending) return;
    ending = true;
    breakOff(socket);
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

/** Delivers what was written and then breaks the connection, by a reset where it is plain TCP. */
function breakOff(socket: Duplex): void {
  const cut = () => {
    clearTimeout(timer);
    if (socket instanceof Socket && !(socket instanceof TLSSocket) && socket.remoteAddress) socket.resetAndDestroy();
    else socket.destroy();
  };
  const timer = setTimeout(cut, stallMs).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.resume(); // nobody is left to read it
  if (socket.destroyed || socket.writableFinished) cut();
  else if (socket.writableEnded) socket.once('finish', cut);
  else socket.write('', cut);
}
