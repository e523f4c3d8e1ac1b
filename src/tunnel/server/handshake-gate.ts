import net, { type Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import { handshakeTimeoutMs } from '../session-settings.ts';

export interface HandshakeLimits {
  /** TLS handshakes under way together: each costs about a millisecond of this process. @default 64 */
  readonly concurrent?: number;
  /** Connections that wait for their turn. More are closed at once, so that their owners come back later. @default 2048 */
  readonly waiting?: number;
}

/**
 * A listener in front of a TLS server, for the moment at which thousands of agents come back together: a few connections shake hands at a time,
 * in the order in which they came; the others wait without costing anything, and none waits longer than its handshake may last.
 */
export function gateHandshakes(
  server: TlsServer,
  { concurrent = 64, waiting = 2048 }: HandshakeLimits = {},
): net.Server {
  const queue = new Map<Socket, NodeJS.Timeout>();
  const settled = new WeakSet<TLSSocket>();
  let running = 0;

  const start = (socket: Socket) => {
    running++;
    server.emit('connection', socket);
  };
  const settle = (socket: TLSSocket) => {
    if (settled.has(socket)) return;
    settled.add(socket);
    running--;
    while (running < concurrent) {
      const [next] = queue;
      if (!next) return;
      const [waiter, timer] = next;
      clearTimeout(timer);
      queue.delete(waiter);
      if (!waiter.destroyed) start(waiter);
    }
  };
  server.on('secureConnection', settle);
  server.on('tlsClientError', (_: Error, socket: TLSSocket) => settle(socket));

  const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => {}); // told by the TLS server, or by nobody where it only waited
    if (running < concurrent) {
      start(socket);
      return;
    }
    if (queue.size >= waiting) {
      socket.destroy();
      return;
    }
    const giveUp = () => {
      queue.delete(socket);
      socket.destroy();
    };
    queue.set(socket, setTimeout(giveUp, handshakeTimeoutMs).unref());
  });
  listener.once('close', () => {
    for (const [socket, timer] of queue) {
      clearTimeout(timer);
      socket.destroy();
    }
    queue.clear();
  });
  return listener;
}
