import { BlockList, isIP, type Socket } from 'node:net';
import tls from 'node:tls';
import { request } from '../../lib/node-http.ts';
import { formatServerAddress } from '../leases/lease-validity.ts';
import { handshakeTimeoutMs } from '../session-settings.ts';
import type { AgentServer } from './agent-config.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for TLS connections to `server`, by `HTTPS_PROXY` and `NO_PROXY` in either case, as Go reads them: `*`, addresses, CIDRs, `host:port`, a domain
 * with all below it, and `.domain` for what is below it alone. This machine itself is never behind a proxy.
 */
export function proxyFor({ host, port }: AgentServer, environment: Environment): URL | undefined {
  const text = environment['HTTPS_PROXY'] || environment['https_proxy'];
  if (!text || host === 'localhost' || isLoopback(host)) return undefined;
  const exceptions = (environment['NO_PROXY'] || environment['no_proxy'] || '').split(',').map((part) => part.trim());
  if (
    exceptions.some((exception) => exception !== '' && isException(exception.toLowerCase(), host.toLowerCase(), port))
  ) {
    return undefined;
  }
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error('HTTPS_PROXY: expected http://host:port or https://host:port');
  }
  return url;
}

/** A TCP connection to `server` through a proxy's CONNECT. */
export function openThroughProxy(
  proxy: URL,
  server: AgentServer,
  { signal }: { signal: AbortSignal },
): Promise<Socket> {
  const target = formatServerAddress(server);
  const secure = proxy.protocol === 'https:';
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const port = Number(proxy.port || (secure ? 443 : 80));
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return new Promise((resolve, reject) => {
    const call = request({
      method: 'CONNECT',
      host,
      port,
      path: target,
      signal,
      timeout: handshakeTimeoutMs,
      headers: {
        host: target,
        ...(credentials !== ':' && { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
      ...(secure && {
        createConnection: () => tls.connect({ host, port, ...(isIP(host) === 0 && { servername: host }) }),
      }),
    });
    const fail = (error: Error) => {
      call.destroy();
      reject(new Error(`cannot reach ${target} through the proxy ${proxy.host}`, { cause: error }));
    };
    call.once('connect', ({ statusCode }, socket, head) => {
      if (statusCode !== 200) {
        socket.destroy();
        fail(new Error(`the proxy answered ${statusCode}`));
        return;
      }
      if (head.length > 0) socket.unshift(head);
      resolve(socket as Socket); // a proxy is reached by TCP, or TLS on it
    });
    call.once('response', ({ statusCode }) => fail(new Error(`the proxy answered ${statusCode}`)));
    call.once('timeout', () => fail(new Error(`no answer within ${handshakeTimeoutMs} ms`)));
    call.on('error', fail);
    call.end();
  });
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') ? isIP(host) === 4 : host === '::1';
}

function isException(exception: string, host: string, port: number): boolean {
  if (exception === '*') return true;
  const [, network = '', bits] = /^([0-9a-f.:]+)\/(\d+)$/.exec(exception) ?? [];
  if (bits !== undefined) {
    if (isIP(network) === 0 || isIP(host) !== isIP(network)) return false;
    const family = isIP(network) === 4 ? 'ipv4' : 'ipv6';
    const block = new BlockList();
    block.addSubnet(network, Number(bits), family);
    return block.check(host, family);
  }
  const [, name = exception, only] = (isIP(exception) === 0 && /^(.+):(\d+)$/.exec(exception)) || [];
  if (only !== undefined && Number(only) !== port) return false;
  const plain = name.replace(/^\[|\]$/g, '').replace(/^\*\./, '.');
  if (plain.startsWith('.')) return host.endsWith(plain);
  return host === plain || (isIP(plain) === 0 && host.endsWith(`.${plain}`));
}
