import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { UpgradeRequest } from './upgrade.ts';

/** An HTTP server on loopback that gives every upgrade to `handle`, for the tests of this folder. */
export interface UpgradeServer extends AsyncDisposable {
  readonly host: string;
  /** A connection to it that is open. */
  dial(): Promise<Socket>;
  /** The server's ends of all connections, newest last. */
  readonly sockets: readonly Socket[];
  /** What `handle` threw, in order. */
  readonly errors: unknown[];
}

export async function listenUpgrades(handle: (upgrade: UpgradeRequest) => Promise<void>): Promise<UpgradeServer> {
  const server = createServer();
  const sockets: Socket[] = [];
  const errors: unknown[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  server.on('upgrade', (request, socket, head) => {
    handle({ request, socket, head }).catch((error: unknown) => errors.push(error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const dialled: Socket[] = [];
  return {
    host: `127.0.0.1:${port}`,
    sockets,
    errors,
    dial: () =>
      new Promise((resolve, reject) => {
        const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }, () => resolve(socket));
        socket.once('error', reject);
        dialled.push(socket);
      }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of [...dialled, ...sockets]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sends raw bytes and gives all that comes back until the server closes. */
export async function exchangeRaw(server: UpgradeServer, request: string): Promise<string> {
  const socket = await server.dial();
  socket.end(request);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}
