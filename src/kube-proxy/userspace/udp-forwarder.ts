import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Endpoint } from '../endpoint.ts';
import { type BoundAddress, bindNear } from './bind-address.ts';
import type { Forwarder, ForwarderOptions } from './forwarder.ts';

/** A client that is silent for so long is forgotten, with its port. */
const idleMs = 10_000;
/** Who was silent longest makes room. */
const maxClients = 1_000;
/** Datagrams of one client that wait until its socket is connected. */
const maxWaiting = 16;

interface ClientFlow {
  readonly socket: Socket;
  readonly endpoint: Endpoint;
  readonly timer: NodeJS.Timeout;
  /** Absent once the socket is connected. */
  waiting: Buffer[] | undefined;
}

/** Listens for one UDP port: each client has a socket of its own towards its endpoint. @throws if no address can be bound */
export async function listenUdpForwarder(options: ForwarderOptions): Promise<Forwarder> {
  const { wanted, balancer, log } = options;
  const flows = new Map<string, ClientFlow>();
  const server = await bindNear(wanted, bind);
  server.on('error', (error) => log.warn('A Service listener failed', { error }));
  server.on('message', (message, peer) => {
    const key = `${peer.address}|${peer.port}`;
    const flow = flows.get(key) ?? open(key, peer);
    if (!flow) return;
    flow.timer.refresh();
    if (!flow.waiting) flow.socket.send(message);
    else if (flow.waiting.length < maxWaiting) flow.waiting.push(message);
  });

  function open(key: string, peer: { address: string; port: number }): ClientFlow | undefined {
    const endpoint = balancer.choose(peer.address);
    if (!endpoint) return undefined;
    const oldest = flows.size >= maxClients ? flows.keys().next().value : undefined;
    if (oldest !== undefined) close(oldest);
    const socket = createSocket(isIPv6(endpoint.address) ? 'udp6' : 'udp4');
    const timer = setTimeout(() => close(key), idleMs).unref();
    const flow: ClientFlow = { socket, endpoint, timer, waiting: [] };
    flows.set(key, flow);
    socket.on('error', (error) => {
      log.debug('An endpoint cannot be reached', { endpoint, error });
      close(key); // A refused datagram: the client's next one may go elsewhere.
    });
    socket.on('message', (answer) => {
      timer.refresh();
      server.send(answer, peer.port, peer.address);
    });
    socket.connect(endpoint.port, endpoint.address, () => {
      for (const message of flow.waiting ?? []) socket.send(message);
      flow.waiting = undefined;
    });
    return flow;
  }

  function close(key: string): void {
    const flow = flows.get(key);
    if (!flow) return;
    flows.delete(key);
    clearTimeout(flow.timer);
    flow.socket.close();
  }

  let listening = true;
  const stop = () => {
    if (listening) server.close();
    listening = false;
    for (const key of [...flows.keys()]) close(key);
  };
  const { address, port } = server.address();
  return {
    bound: { address, port },
    /** Whoever was served by an endpoint that is gone chooses anew. */
    refresh() {
      for (const [key, flow] of flows) if (!balancer.has(flow.endpoint)) close(key);
    },
    async retire() {
      stop();
    },
    async [Symbol.asyncDispose]() {
      stop();
    },
  };
}

async function bind({ address, port }: BoundAddress): Promise<Socket> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  try {
    socket.bind(port, address);
    await once(socket, 'listening');
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}
