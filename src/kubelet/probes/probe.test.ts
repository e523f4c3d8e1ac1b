import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { test } from 'node:test';
import type { Probe } from '../../api/kubernetes/core-v1.ts';
import { systemClock } from '../../lib/clock.ts';
import { ContainerProbes } from './container-probes.ts';
import { type ProbeTarget, runProbe } from './probe.ts';

test('an HTTP probe takes 200 to 399, follows redirects on its host and names its port', async () => {
  const server = createHttpServer((request, response) => {
    assert.match(request.headers['user-agent'] ?? '', /^kube-probe\/1\./);
    if (request.url === '/moved') response.writeHead(302, { location: '/ok' }).end();
    else response.writeHead(request.url === '/ok' ? 204 : 503).end();
  });
  await using listening = await listen(server);
  const probe = (path: string) => ({ httpGet: { path, port: 'web' } });
  const container = { name: 'main', ports: [{ name: 'web', containerPort: listening.port }] };
  assert.deepEqual(await runProbe(probe('ok'), target({ container })), { success: true, message: '' });
  assert.equal((await runProbe(probe('/moved'), target({ container }))).success, true);
  assert.deepEqual(await runProbe(probe('/bad'), target({ container })), {
    success: false,
    message: 'HTTP probe failed with statuscode: 503',
  });
});

test('a TCP probe succeeds where something listens, and fails where nothing does', async () => {
  const listening = await listen(createHttpServer());
  const probe = { tcpSocket: { port: listening.port } };
  assert.equal((await runProbe(probe, target({}))).success, true);
  await listening[Symbol.asyncDispose]();
  const { success, message } = await runProbe(probe, target({}));
  assert.equal(success, false);
  assert.match(message, /ECONNREFUSED/);
});

test('a gRPC probe asks for its service and takes only SERVING', async () => {
  const server = createHttp2Server();
  server.on('stream', (stream) => {
    stream.once('data', (chunk: Buffer) => {
      const serving = chunk.includes('good');
      stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, serving ? 1 : 2]));
    });
  });
  await using listening = await listen(server);
  const probe = (service: string): Probe => ({ grpc: { port: listening.port, service } });
  assert.deepEqual(await runProbe(probe('good'), target({})), { success: true, message: '' });
  assert.deepEqual(await runProbe(probe('bad'), target({})), {
    success: false,
    message: 'service unhealthy (responded with status 2)',
  });
});

test('an exec probe takes exit code 0 and tells the output', async () => {
  const run = (exitCode: number) => runProbe({ exec: { command: ['x'] } }, target({ exitCodes: [exitCode] }));
  assert.deepEqual(await run(0), { success: true, message: 'said' });
  assert.deepEqual(await run(1), { success: false, message: 'said' });
});

test('the startup probe holds the others back, and liveness failures ask for one restart', async () => {
  const tried: string[] = [];
  const unhealthy = Promise.withResolvers<string>();
  const command = { command: ['x'] };
  const often = { exec: command, periodSeconds: 0.001 };
  const container = {
    name: 'main',
    startupProbe: { ...often, failureThreshold: 5 },
    livenessProbe: { ...often, failureThreshold: 2 },
  };
  // Twice not started, then started; alive once, then twice not.
  using probes = new ContainerProbes({
    target: target({ container, exitCodes: [1, 1, 0, 0, 1, 1] }),
    clock: systemClock,
    changed: () => tried.push('changed'),
    tried: (kind, success) => tried.push(`${kind} ${success}`),
    failed: () => {},
    unhealthy: (kind) => unhealthy.resolve(kind),
  });
  assert.equal(probes.started, false);
  assert.equal(probes.ready, false);
  const keepAlive = setInterval(() => {}, 1000);
  assert.equal(await unhealthy.promise, 'liveness');
  clearInterval(keepAlive);
  assert.equal(probes.ready, true);
  assert.deepEqual(tried, [
    'startup false',
    'startup false',
    'startup true',
    'changed',
    'liveness true',
    'liveness false',
    'liveness false',
  ]);
});

function target({
  container = { name: 'main' },
  exitCodes = [],
}: {
  container?: ProbeTarget['container'];
  exitCodes?: number[];
}): ProbeTarget {
  return {
    container,
    podIp: '127.0.0.1',
    exec: async () => ({ exitCode: exitCodes.shift() ?? 0, output: 'said' }),
  };
}

async function listen(server: NetServer) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return {
    port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
