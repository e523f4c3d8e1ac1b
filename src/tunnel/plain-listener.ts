import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PlainAnswer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
  readonly location?: string;
  /** For what is to be saved. */
  readonly fileName?: string;
}

export type PlainHandler = (request: IncomingMessage) => PlainAnswer | Promise<PlainAnswer>;

export interface PlainListener extends AsyncDisposable {
  readonly port: number;
}

/** A plain HTTP port for probes and scrapes. Paths are exact; queries are the handlers'. */
export async function listenPlain(
  { host, port }: { host: string; port: number },
  handlers: Readonly<Record<string, PlainHandler>>,
): Promise<PlainListener> {
  const server = http.createServer({ headersTimeout: 60_000, maxHeaderSize: 1024 * 1024 });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined;
    const { status, body, type, location, fileName }: PlainAnswer = handler
      ? await handler(request)
      : { status: 404, body: '404 page not found\n' };
    response.writeHead(status, {
      'content-type': type ?? 'text/plain; charset=utf-8',
      ...(location !== undefined && { location }),
      ...(fileName !== undefined && { 'content-disposition': `attachment; filename="${fileName}"` }),
    });
    response.end(body);
  };
  server.on('request', (request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host !== '' && { host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
