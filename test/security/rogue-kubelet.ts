import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { nodes } from '../../src/client/resources.ts';
import type { IssuedCertificate } from '../../src/pki/certificate-authority.ts';
import type { SecurityBed } from './test-bed.ts';

/** A server that a Node object points to, and that answers as a test wants. */
export interface RogueKubelet extends AsyncDisposable {
  readonly port: number;
  /** Whole requests' heads, one for each connection that got through the handshake. */
  readonly heads: string[];
  /** Certificates that callers showed. */
  readonly callers: string[];
}

/**
 * Listens with a certificate and registers the Node `name` with its address.
 * @param answer is written as it is when the head of a request has come; nothing is closed
 */
export async function openRogueKubelet(
  bed: SecurityBed,
  {
    name,
    certificate,
    answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  }: { name: string; certificate: IssuedCertificate; answer?: string },
): Promise<RogueKubelet> {
  const heads: string[] = [];
  const callers: string[] = [];
  const sockets = new Set<TLSSocket>();
  const server: Server = createServer({
    cert: certificate.certificatePem,
    key: certificate.privateKeyPem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on('tlsClientError', () => {}); // the client went away because it did not believe us: that is tested at its end
  server.on('secureConnection', (socket: TLSSocket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // as above
    callers.push(String(socket.getPeerCertificate().subject?.CN ?? ''));
    let text = '';
    let answered = false;
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (answered || !text.includes('\r\n\r\n')) return;
      answered = true;
      heads.push(text);
      socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  const { client } = bed.cluster;
  await client.create(nodes, { metadata: { name } });
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  await client.patch(nodes, { name, subresource: 'status' }, { status }, { type: 'application/merge-patch+json' });
  await bed.create('/api/v1/namespaces/default/pods', {
    metadata: { name: `on-${name}` },
    spec: { nodeName: name, containers: [{ name: 'c', image: 'x' }] },
  });
  return {
    port,
    heads,
    callers,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
