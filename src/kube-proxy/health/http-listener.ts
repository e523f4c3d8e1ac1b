import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from '../../lib/node-http.ts';
import type { ListenAddress } from '../kube-proxy-config.ts';

export interface HttpListener extends AsyncDisposable {
  /** With the port that was chosen for 0. */
  readonly address: ListenAddress;
}

/** A small plain HTTP server for probes. It reads no bodies and keeps few connections. */
export async function listenHttp(
  { host, port }: ListenAddress,
  answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<HttpListener> {
  const server = createServer(
    { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 10_000 },
    (request, response) => {
      request.resume();
      if (request.method !== 'GET' && request.method !== 'HEAD') response.writeHead(405).end();
      else {
        Promise.try(answer, request, response).catch((error: unknown) => {
          if (!response.headersSent) response.writeHead(500);
          response.end(`${String(error)}\n`);
        });
      }
    },
  );
  server.maxConnections = 100;
  server.listen(port, host === '' ? undefined : host);
  await once(server, 'listening');
  const bound = server.address() as AddressInfo; // It listens on an IP socket.
  return {
    address: { host: bound.address, port: bound.port },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
  response.end(JSON.stringify(body));
}
