import type { AddressInfo } from 'node:net';
import { createServer } from '../../lib/node-http.ts';
import type { KubeletApi } from './kubelet-api.ts';

/** Plain HTTP `/healthz` on 127.0.0.1, as upstream's port 10248: it says nothing but whether the agent is well. */
export async function listenHealth(
  checks: KubeletApi['healthChecks'],
  port: number,
): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((request, response) => {
    const found = request.url === '/healthz';
    const error = Object.values(checks)
      .map((check) => check())
      .find((failure) => failure !== undefined);
    const status = found ? (error ? 500 : 200) : 404;
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(found ? (error?.message ?? 'ok') : '404 page not found');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
