/**
 * What Node itself can do here, with nothing of an API server in between. `fork(…, [directory])`, as for the API server.
 *
 *     PUT    /replay/<name>   keeps the body; a GET of the same path then gives it
 *     POST   /store           puts the body under a new key into the embedded engine, durable, and gives it back
 *     GET    /watch           an answer without an end, to which each POST /event writes its body and a line break
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { formatKubeconfig } from '../../src/client/kubeconfig.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { openClusterPki } from '../../src/pki/authority.ts';
import { ensureClientCertificate, ensureServingCertificate } from '../../src/pki/control-plane-certificates.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

const [directory = ''] = process.argv.slice(2);
const pki = await openClusterPki();
const serving = await ensureServingCertificate(pki, { advertiseAddress: '127.0.0.1' });
const admin = await ensureClientCertificate(pki, 'admin');
await using store = await openSqliteStore({ path: join(directory, 'bare.db'), log: silentLogger });
const replies = new Map<string, Buffer>();
const watchers = new Set<ServerHttp2Stream>();
let keys = 0;

const server = createSecureServer({
  cert: serving.certificatePem,
  key: serving.privateKeyPem,
  maxSessionMemory: 1000,
  streamResetBurst: 1e6,
  streamResetRate: 1e6,
});
server.on('stream', (stream, headers) => {
  stream.on('error', () => {}); // the client went away
  const path = headers[':path'] ?? '';
  if (headers[':method'] === 'GET') answer(stream, path);
  else void readBody(stream).then((body) => accept(stream, path, body));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo; // it listens on TCP
const kubeconfig = join(directory, 'bare.kubeconfig');
const certificate = { certificate: admin.certificatePem, key: admin.privateKeyPem };
const entry = { name: 'bare', server: `https://127.0.0.1:${port}`, ca: pki.cluster.certificatePem, certificate };
writeFileSync(kubeconfig, formatKubeconfig(entry), { mode: 0o600 });
process.send?.(kubeconfig);
await once(process, 'disconnect');
process.exit(0);

function answer(stream: ServerHttp2Stream, path: string): void {
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  if (path === '/watch') {
    watchers.add(stream);
    stream.once('close', () => watchers.delete(stream));
  } else stream.end(replies.get(path) ?? 'ok');
}

async function accept(stream: ServerHttp2Stream, path: string, body: Buffer): Promise<void> {
  if (path === '/store') await store.put(`/bare/${keys++}`, body, { expected: 0 });
  else if (path === '/event') for (const watcher of watchers) watcher.write(body);
  else replies.set(path, body);
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(path === '/store' ? body : undefined);
}

async function readBody(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
