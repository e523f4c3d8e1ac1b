import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { relay } from '../../stream/relay.ts';
import type { Endpoint } from '../endpoint.ts';
import { type BoundAddress, bindNear } from './bind-address.ts';
import type { Forwarder, ForwarderOptions } from './forwarder.ts';

/** The patience of each attempt, each with another endpoint where there is one: upstream's user-space proxy had these. */
const dialTimeoutsMs = [250, 500, 1_000, 2_000];
/** A direction that has ended leaves the other open: a client may ask in one go and then read for long. */
const lingerMs = 3_600_000;
const maxConnections = 10_000;

/** Listens for one TCP port. @throws if no address can be bound */
export async function listenTcpForwarder(options: ForwarderOptions): Promise<Forwarder> {
  const { wanted, balancer, log } = options;
  const controller = new AbortController();
  const running = new Set<Promise<void>>();
  const server = await bindNear(wanted, (address) => listen(address));
  server.on('error', (error) => log.warn('A Service listener failed', { error }));
  server.on('connection', (client) => {
    client.on('error', () => {}); // The relay ends with it; before that the dial does.
    const work: Promise<void> = serve(client).finally(() => running.delete(work));
    running.add(work);
  });

  async function serve(client: Socket): Promise<void> {
    const upstream = await dialOne(client);
    if (!upstream) {
      client.resetAndDestroy();
      return;
    }
    await relay(client, upstream, { signal: controller.signal, lingerMs });
  }

  async function dialOne(client: Socket): Promise<Socket | undefined> {
    const failed = new Set<Endpoint>();
    for (const timeoutMs of dialTimeoutsMs) {
      const endpoint = balancer.choose(client.remoteAddress ?? '', failed);
      if (!endpoint || client.destroyed || controller.signal.aborted) return undefined;
      try {
        return await dial(endpoint, timeoutMs, controller.signal);
      } catch (error) {
        failed.add(endpoint);
        log.debug('An endpoint cannot be reached', { endpoint, error });
      }
    }
    log.warn('No endpoint of a Service can be reached', { address: wanted });
    return undefined;
  }

  const { address, port } = server.address() as { address: string; port: number }; // It listens on an IP socket.
  return {
    bound: { address, port },
    refresh() {},
    async retire() {
      server.close();
      await Promise.all(running);
    },
    async [Symbol.asyncDispose]() {
      const closed = server.listening ? once(server, 'close') : undefined;
      server.close();
      controller.abort();
      await Promise.all(running);
      await closed;
    },
  };
}

async function listen({ address, port }: BoundAddress): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.maxConnections = maxConnections;
  server.listen(port, address);
  await once(server, 'listening');
  return server;
}

async function dial({ address, port }: Endpoint, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), signal]) });
    socket.on('error', () => {}); // The relay sees it end.
    return socket;
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  }
}
