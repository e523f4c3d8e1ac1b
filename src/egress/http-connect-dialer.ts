import type { Socket } from 'node:net';
import type { ProxyDialer } from './egress-selector.ts';
import { ProxyDialError } from './egress-selector.ts';
import { connectProxy, type ProxyAddress } from './proxy-socket.ts';
import { authorityOf } from './target-text.ts';

/** Upstream waits for the answer without an end; this is longer than any proxy server takes for its dial. */
const answerTimeoutMs = 75_000;
const maxHeaderBytes = 1024 * 1024;
/** Of the body of a refusal, for its error message. */
const maxReasonBytes = 4096;
const reasonTimeoutMs = 2000;

export interface HttpConnectOptions {
  /** For people: `host:port` or `unix:/path`. */
  readonly name: string;
  readonly transport: 'tcp' | 'uds';
  /** Asked for at each dial, so that certificates that changed are used. */
  readonly address: () => ProxyAddress | Promise<ProxyAddress>;
}

/** Dials through a proxy server that speaks HTTP CONNECT: one connection for each dial. */
export function httpConnectDialer({ name, transport, address }: HttpConnectOptions): ProxyDialer {
  return {
    name: `HTTPConnect ${name}`,
    labels: { protocol: 'http_connect', transport },
    dial: async (target, { signal }) => {
      const socket = await connectProxy(await address(), { signal });
      return requestTunnel(socket, { authority: authorityOf(target), name, signal });
    },
  };
}

interface TunnelRequest {
  readonly authority: string;
  readonly name: string;
  readonly signal: AbortSignal;
}

/** Asks for the tunnel. Bytes that come together with the answer are the tunnel's first. */
function requestTunnel(socket: Socket, { authority, name, signal }: TunnelRequest): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const fail = (message: string, cause?: unknown) => {
      settle();
      socket.on('error', () => {}); // what it failed of is told already
      socket.destroy();
      reject(new ProxyDialError('proxy', message, { cause }));
    };
    const failed = (error: Error) => {
      fail(`reading HTTP response from CONNECT to ${authority} via proxy ${name} failed: ${error.message}`, error);
    };
    const abandon = () => failed(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    const ended = () => failed(new Error('unexpected EOF'));
    let timer = setTimeout(() => failed(new Error(`no answer within ${answerTimeoutMs} ms`)), answerTimeoutMs);
    // By `readable`, because a socket that was paused would stay so for its new owner.
    const readSome = () => {
      for (let chunk: Buffer | null = socket.read(); chunk; chunk = settled ? null : socket.read()) take(chunk);
    };
    const take = (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) {
        if (received.length > maxHeaderBytes) failed(new Error(`a header of more than ${maxHeaderBytes} bytes`));
        return;
      }
      const [statusLine = ''] = received.toString('latin1', 0, end).split('\r\n', 1);
      const [, code, status] = /^HTTP\/1\.[01] ((\d{3})(?: .*)?)$/.exec(statusLine) ?? [];
      const behind = received.subarray(end + 4);
      if (code === undefined)
        return failed(new Error(`malformed HTTP response ${JSON.stringify(statusLine.slice(0, 100))}`));
      if (status !== '200')
        return refused(`proxy error from ${name} while dialing ${authority}, code ${status}: ${code}`, behind);
      settle();
      if (behind.length > 0) socket.unshift(behind);
      socket.on('error', () => {}); // until the new owner listens; a broken stream also closes
      resolve(socket);
    };
    /** The body says why; it ends with the connection. */
    const refused = (message: string, first: Buffer) => {
      settle();
      let body = first;
      const tell = () => {
        signal.removeEventListener('abort', tell);
        const reason = body.toString('utf8', 0, maxReasonBytes).trim();
        fail(reason === '' ? message : `${message}: ${reason}`);
      };
      timer = setTimeout(tell, reasonTimeoutMs);
      socket.on('data', (chunk: Buffer) => {
        body = Buffer.concat([body, chunk]);
        if (body.length > maxReasonBytes) tell();
      });
      socket.once('end', tell);
      socket.once('error', tell);
      signal.addEventListener('abort', tell, { once: true });
    };
    let settled = false;
    const settle = () => {
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', abandon);
      socket.off('readable', readSome);
      socket.off('end', ended);
      socket.off('close', ended);
      socket.off('error', failed);
    };
    if (signal.aborted) return abandon();
    signal.addEventListener('abort', abandon, { once: true });
    socket.on('readable', readSome);
    socket.once('end', ended);
    socket.once('close', ended);
    socket.once('error', failed);
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  });
}
