import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { createTestCredentials, openTestTunnel, until } from '../tunnel-suite.ts';
import { openThroughProxy, proxyFor } from './proxy-from-environment.ts';
import { KonnectivityAgent } from './run-agent.ts';

const HTTPS_PROXY = 'http://proxy.example:3128';

const exceptions: readonly (readonly [string, string, boolean])[] = [
  ['', 'server.example', true],
  ['*', 'server.example', false],
  ['server.example', 'server.example', false],
  ['server.example', 'a.server.example', false],
  ['.server.example', 'server.example', true],
  ['.server.example', 'a.server.example', false],
  ['*.server.example', 'a.server.example', false],
  ['other.example, server.example:8091', 'server.example', false],
  ['server.example:443', 'server.example', true],
  ['10.0.0.0/8', '10.1.2.3', false],
  ['10.0.0.0/8', '11.1.2.3', true],
  ['10.1.2.3', '10.1.2.3', false],
  ['fd00::/8', 'fd00::1', false],
];

test('HTTPS_PROXY and NO_PROXY are read as Go reads them', () => {
  for (const [NO_PROXY, host, proxied] of exceptions) {
    const proxy = proxyFor({ host, port: 8091 }, { HTTPS_PROXY, NO_PROXY });
    assert.equal(proxy !== undefined, proxied, `${host} with NO_PROXY=${NO_PROXY}`);
  }
  assert.equal(proxyFor({ host: 'server.example', port: 1 }, {}), undefined);
  assert.equal(proxyFor({ host: 'server.example', port: 1 }, { https_proxy: 'proxy:1' })?.host, 'proxy:1');
  for (const host of ['localhost', '127.0.0.1', '::1']) {
    assert.equal(proxyFor({ host, port: 1 }, { HTTPS_PROXY }), undefined);
  }
  assert.throws(() => proxyFor({ host: 'server.example', port: 1 }, { HTTPS_PROXY: 'socks5://x' }), /HTTPS_PROXY/);
});

/** A proxy that wants `user:secret`. */
async function listenProxy() {
  const sockets = new Set<net.Socket>();
  const server = http.createServer();
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (request, socket) => {
    socket.on('error', () => {}); // the test ends both
    if (request.headers['proxy-authorization'] !== `Basic ${Buffer.from('user:secret').toString('base64')}`) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const target = net.connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(target).pipe(socket);
    });
    sockets.add(target);
    target.on('error', () => {}); // as above
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

test('an agent reaches its server through a proxy, and is told what the proxy refuses', async () => {
  const credentials = await createTestCredentials();
  await using tunnel = await openTestTunnel(credentials);
  await using proxy = await listenProxy();
  const server = { host: '127.0.0.1', port: tunnel.server.agentPort };
  const url = new URL(`http://user:secret@127.0.0.1:${proxy.port}`);
  await using agent = new KonnectivityAgent(
    {
      agentId: 'behind-a-proxy',
      server,
      tls: { ca: credentials.ca, certificate: credentials.client },
      openSocket: (to, { signal }) => openThroughProxy(url, to, { signal }),
    },
    { log: silentLogger, metrics: new Metrics() },
  );
  await until(() => agent.ready && tunnel.server.agents().includes('behind-a-proxy'));
  const { signal } = new AbortController();
  const stranger = openThroughProxy(new URL(`http://127.0.0.1:${proxy.port}`), server, { signal });
  await assert.rejects(stranger, ({ message, cause }: Error) => {
    assert.equal(message, `cannot reach 127.0.0.1:${server.port} through the proxy 127.0.0.1:${proxy.port}`);
    assert.equal((cause as Error).message, 'the proxy answered 407');
    return true;
  });
});
