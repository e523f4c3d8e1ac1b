/** Two processes and TLS, nothing else: `fork(…, [directory])`. The first byte says what is wanted: `s` and a length to be sent bytes, `r` to give them. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { openClusterPki } from '../../src/pki/authority.ts';
import { ensureServingCertificate } from '../../src/pki/control-plane-certificates.ts';

const [directory = ''] = process.argv.slice(2);
const pki = await openClusterPki();
const serving = await ensureServingCertificate(pki, { advertiseAddress: '127.0.0.1' });
const chunk = Buffer.alloc(64 * 1024);

const server = createServer({ cert: serving.certificatePem, key: serving.privateKeyPem }, (socket) => {
  socket.on('error', () => {}); // the client went away
  socket.once('data', (request) => {
    const length = Number(request.toString('latin1', 1, request.indexOf('\n')));
    if (request[0] === 0x73) void send(socket, length);
    else receive(socket, length);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo; // it listens on TCP
const kubeconfig = join(directory, 'raw.kubeconfig');
const entry = { name: 'raw', server: `https://127.0.0.1:${port}`, ca: pki.cluster.certificatePem };
writeFileSync(kubeconfig, formatKubeconfig(entry), { mode: 0o600 });
process.send?.(kubeconfig);
await once(process, 'disconnect');
process.exit(0);

async function send(socket: TLSSocket, length: number): Promise<void> {
  for (let left = length; left > 0; left -= chunk.length) {
    if (!socket.write(left < chunk.length ? chunk.subarray(0, left) : chunk)) await once(socket, 'drain');
  }
  socket.end();
}

function receive(socket: TLSSocket, length: number): void {
  let left = length;
  socket.on('data', (data: Buffer) => {
    left -= data.length;
    if (left <= 0) socket.end();
  });
}
