import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';
import { TaskGroup } from '../../lib/async.ts';
import type { Logger } from '../../lib/log.ts';
import { relay } from '../../stream/relay.ts';

/** A place to listen at or to connect to: a Unix socket, or an address and port. */
export type Place = { readonly path: string } | { readonly host: string; readonly port: number };

export interface ForwarderOptions {
  readonly listen: Place;
  /** Every connection goes here and nowhere else. */
  readonly target: Place;
  /** What comes beyond is refused at once. @default 2048 */
  readonly maxConnections?: number;
  readonly log: Logger;
}

/** Until the target has taken a connection. */
const connectTimeoutMs = 10_000;

/**
 * Passes the bytes of each connection on to one target, both ways, and ends all of them with itself. It looks at nothing: TLS is between the ends.
 */
export async function listenForwarder(options: ForwarderOptions): Promise<AsyncDisposable> {
  const { listen, target, log } = options;
  const sockets = new Set<Socket>();
  const tasks = new TaskGroup({ onError: (error) => log.debug('A forwarded connection failed', { error }) });
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (incoming) => {
    sockets.add(incoming);
    incoming.on('error', () => {}); // the relay sees its end
    incoming.once('close', () => sockets.delete(incoming));
    tasks.run(async (signal) => {
      await using ending = new AsyncDisposableStack();
      ending.defer(() => void incoming.destroy());
      const outgoing = await open(target, signal);
      await relay(incoming, outgoing, { signal });
    });
  });
  server.maxConnections = options.maxConnections ?? 2048;
  server.on('drop', () =>
    log.warn('Too many forwarded connections: one was refused', { limit: server.maxConnections }),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...listen, backlog: 511 }, () => {
      server.off('error', reject);
      server.on('error', (error) => log.warn('Cannot accept a connection to forward', { error }));
      resolve();
    });
  });
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await Promise.all([closed, tasks[Symbol.asyncDispose]()]);
    },
  };
}

function open(target: Place, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ ...target, allowHalfOpen: true, noDelay: true } as NetConnectOpts); // either kind of place fits
  const fail = (error: Error) => {
    socket.destroy();
    reject(error);
  };
  const timer = setTimeout(() => fail(new Error('the target took too long to connect')), connectTimeoutMs);
  const abort = () => fail(new Error('the forwarder was closed'));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  socket.once('error', fail);
  socket.once('connect', () => resolve(socket));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    if (!socket.destroyed) socket.on('error', () => {}); // the relay sees its end
  });
}
