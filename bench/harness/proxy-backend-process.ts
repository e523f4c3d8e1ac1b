/** What stands behind the proxies: `fork(…, [host])` answers `/small` with 1 kB and `/large` with as many bytes as `?bytes=` says. It sends its port. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const [host = '127.0.0.1'] = process.argv.slice(2);
const small = Buffer.alloc(1024, 'x');
const chunk = Buffer.alloc(64 * 1024);

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://backend');
  if (url.pathname !== '/large') {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': small.length });
    response.end(small);
    return;
  }
  const bytes = Number(url.searchParams.get('bytes'));
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes });
  send(response, bytes);
});
server.keepAliveTimeout = 60_000;
server.listen(0, host);
await once(server, 'listening');
process.send?.((server.address() as AddressInfo).port); // it listens on TCP
await once(process, 'disconnect');
process.exit(0);

function send(response: ServerResponse, bytes: number): void {
  let left = bytes;
  const write = () => {
    while (left > 0) {
      const piece = left < chunk.length ? chunk.subarray(0, left) : chunk;
      left -= piece.length;
      if (!response.write(piece) && left > 0) return void response.once('drain', write);
    }
    response.end();
  };
  write();
}
