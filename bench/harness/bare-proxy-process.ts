/** What a reverse proxy costs on Node alone: HTTP/2 on TLS in front, kept HTTP/1.1 connections behind, nothing looked at. `fork(…, [directory, host:port])`. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { openClusterPki } from '../../src/pki/authority.ts';
import { ensureClientCertificate, ensureServingCertificate } from '../../src/pki/control-plane-certificates.ts';

const [directory = '', backend = ''] = process.argv.slice(2);
const { hostname: host, port: backendPort } = new URL(`http://${backend}`);
const pki = await openClusterPki();
const serving = await ensureServingCertificate(pki, { advertiseAddress: '127.0.0.1' });
const admin = await ensureClientCertificate(pki, 'admin');
const agent = new Agent({ keepAlive: true });

const server = createSecureServer({ cert: serving.certificatePem, key: serving.privateKeyPem, maxSessionMemory: 1000 });
server.on('stream', (stream, headers) => {
  stream.on('error', () => {}); // the client went away
  if (headers[':path'] === '/readyz') {
    stream.respond({ ':status': 200 });
    stream.end();
    return;
  }
  const forwarded = Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':')));
  const options = {
    agent,
    host,
    port: backendPort,
    method: headers[':method'],
    path: headers[':path'],
    headers: forwarded,
  };
  const request = httpRequest(options, (answer) => {
    const { connection: _connection, 'keep-alive': _keepAlive, ...rest } = answer.headers;
    stream.respond({ ':status': answer.statusCode, ...rest });
    pipeline(answer, stream, () => {}); // the load generator sees what is missing
  });
  request.on('error', () => stream.close());
  if (stream.endAfterHeaders) request.end();
  else stream.pipe(request);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo; // it listens on TCP
const kubeconfig = join(directory, 'proxy.kubeconfig');
const certificate = { certificate: admin.certificatePem, key: admin.privateKeyPem };
const entry = { name: 'proxy', server: `https://127.0.0.1:${port}`, ca: pki.cluster.certificatePem, certificate };
writeFileSync(kubeconfig, formatKubeconfig(entry), { mode: 0o600 });
process.send?.(kubeconfig);
await once(process, 'disconnect');
process.exit(0);
