import net, { type Socket } from 'node:net';
import type { Server as TlsServer } from 'node:tls';

export interface HandshakeLimits {
  /** TLS handshakes under way together: each costs about a millisecond of this process. @default 64 */
  readonly concurrent?: number;
  /** Connections that wait for their turn. More are closed at once, so that their owners come back later. @default 2048 */
  readonly waiting?: number;
  /** After so long a handshake is its client's fault: it goes on, but the next one begins. @default 500 */
  readonly turnMs?: number;
  /** The longest that a connection waits for its turn. @default 10000 */
  readonly waitMs?: number;
}

/**
 * A listener in front of a TLS server, for the moment at which thousands of clients come back together: a few connections shake hands at a time,
 * in the order in which they came; the others wait without costing anything, and none waits longer than its handshake may last. Who connects and says
 * nothing keeps its turn for a short time only.
 */
export function gateHandshakes(
  server: TlsServer,
  { concurrent = 64, waiting = 2048, turnMs = 500, waitMs = 10_000 }: HandshakeLimits = {},
): net.Server {
  const queue = new Map<Socket, NodeJS.Timeout>();
  /** By the address of the client: a TLS socket does not tell which socket it was made of. */
  const turns = new Map<string, NodeJS.Timeout>();

  const start = (socket: Socket) => {
    const client = clientOf(socket);
    turns.set(client, setTimeout(() => settle(client), turnMs).unref());
    socket.once('close', () => settle(client));
    server.emit('connection', socket);
  };
  const settle = (client: string) => {
    clearTimeout(turns.get(client));
    if (!turns.delete(client)) return;
    while (turns.size < concurrent) {
      const [next] = queue;
      if (!next) return;
      const [waiter, timer] = next;
      clearTimeout(timer);
      queue.delete(waiter);
      if (!waiter.destroyed) start(waiter);
    }
  };
  server.on('secureConnection', (socket) => settle(clientOf(socket)));
  server.on('tlsClientError', (_, socket) => settle(clientOf(socket)));

  const listener = net.createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true }, (socket) => {
    socket.on('error', () => {}); // told by the TLS server, or by nobody where it only waited
    if (turns.size < concurrent) {
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
    queue.set(socket, setTimeout(giveUp, waitMs).unref());
  });
  // An HTTP server begins to watch over its connections then.
  listener.on('listening', () => server.emit('listening'));
  listener.once('close', () => {
    for (const [socket, timer] of queue) {
      clearTimeout(timer);
      socket.destroy();
    }
    queue.clear();
  });
  return listener;
}

function clientOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
