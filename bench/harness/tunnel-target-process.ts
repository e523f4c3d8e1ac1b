/**
 * A process of its own for what tunnels lead to: `fork(…)`. It sends its ports and its CA when it serves, and ends with its parent. The first line of a
 * connection says what is wanted: `s <bytes>` to be sent bytes, `r <bytes>` to give them, and anything else comes back.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { openClusterPki } from '../../src/pki/authority.ts';

const chunk = Buffer.alloc(256 * 1024);

function serve(socket: Socket): void {
  socket.on('error', () => {}); // the tunnel ended it
  socket.once('data', (first: Buffer) => {
    const [, what, length] = /^([sr]) (\d+)\n/.exec(first.toString('latin1', 0, 24)) ?? [];
    if (what === 's') void send(socket, Number(length));
    else if (what === 'r') receive(socket, Number(length) + String(length).length + 3 - first.length);
    else {
      socket.write(first);
      socket.pipe(socket);
    }
  });
}

async function listen(server: Server): Promise<number> {
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port; // it listens on TCP
}

const { cluster } = await openClusterPki();
const serving = await cluster.issue({ commonName: 'target', ipAddresses: ['127.0.0.1'], usages: ['server'] });
const tls = createTlsServer({ cert: serving.certificatePem, key: serving.privateKeyPem }, serve);
const port = await listen(createServer({ noDelay: true }, serve));
process.send?.({ port, tlsPort: await listen(tls), ca: cluster.certificatePem });
await once(process, 'disconnect');
process.exit(0);

async function send(socket: Socket, length: number): Promise<void> {
  for (let left = length; left > 0 && !socket.destroyed; left -= chunk.length) {
    if (!socket.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) await drained(socket);
  }
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      socket.off('drain', settle);
      socket.off('close', settle);
      resolve();
    };
    socket.on('drain', settle);
    socket.on('close', settle);
  });
}

/** Answers with one byte when all have come. */
function receive(socket: Socket, length: number): void {
  let left = length;
  socket.on('data', (data: Buffer) => {
    left -= data.length;
    if (left === 0) socket.write('!');
  });
}
