import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { exitCodeOf, exitStatus, successStatus } from '../../stream/command-status.ts';
import { openPortForward } from '../../stream/port-forward-client.ts';
import { acceptPortForward } from '../../stream/port-forward-server.ts';
import { openRemoteCommand } from '../../stream/remote-command-client.ts';
import { acceptRemoteCommand } from '../../stream/remote-command-server.ts';
import type { UpgradeRequest } from '../../stream/upgrade.ts';
import {
  connectorTo,
  createAuthority,
  listenApi,
  listenKubelet,
  nodeAt,
  objectsOf,
  podOn,
  type TestApi,
  type TestKubelet,
} from './node-streams-suite.ts';

const authority = await createAuthority('kubelet-serving');
const serving = await authority.issue({ commonName: 'system:node:n1', dnsNames: ['n1'], usages: ['server'] });
const never = new AbortController().signal;
const streams = { stdin: true, stdout: true, stderr: true, tty: false };
const query = 'command=cat&container=c&stdin=true&stdout=true&stderr=true';
const exec = `/api/v1/namespaces/default/pods/web/exec?${query}`;
const forward = '/api/v1/namespaces/default/pods/web/portforward';

/** The client's way by the kubelet's: SPDY, or WebSocket where the kubelet says that it speaks it. */
const commandVariants = [
  { via: 'spdy', protocols: undefined, features: [] },
  { via: 'websocket', protocols: ['v5.channel.k8s.io'], features: [] },
  { via: 'websocket', protocols: ['v5.channel.k8s.io'], features: ['ExtendWebSocketsToKubelet'] },
  { via: 'websocket', protocols: ['v4.channel.k8s.io'], features: [] },
  { via: 'websocket', protocols: ['v4.channel.k8s.io'], features: ['ExtendWebSocketsToKubelet'] },
] as const;

for (const { via, protocols, features } of commandVariants) {
  const title = `exec by ${via} ${protocols?.[0] ?? ''} to a kubelet with ${features[0] ?? 'SPDY'}`;
  const closable = protocols?.[0] !== 'v4.channel.k8s.io';

  test(`${title}: input, output and the exit code pass`, async () => {
    await using setup = await start({
      features,
      upgrade: async (upgrade) => {
        const command = await acceptRemoteCommand(upgrade, { ...streams, signal: never });
        assert.ok(command.stdin && command.stdout);
        command.stderr?.write('warning');
        if (closable) await pipeline(command.stdin, command.stdout);
        else command.stdout.write((await once(command.stdin, 'data'))[0]);
        await command.finish(exitStatus(7));
      },
    });
    await using client = await openRemoteCommand(await setup.api.dial(), {
      ...{ via, host: setup.api.host, path: exec, signal: never },
      ...streams,
      ...(protocols && { protocols }),
    });
    client.stdin?.end('hello');
    const [stdout, stderr] = await Promise.all([read(client.stdout), read(client.stderr)]);
    assert.deepEqual([stdout, stderr], ['hello', 'warning']);
    assert.equal(exitCodeOf(await client.status), 7);
    const method = via === 'spdy' || (closable && features.length === 0) ? 'POST' : 'GET';
    assert.equal(setup.kubelet.requests[0]?.line, `${method} /exec/default/web/c?command=cat&error=1&input=1&output=1`);
  });

  test(`${title}: no byte of 4 MB is lost`, async () => {
    const size = 4 * 1024 * 1024;
    await using setup = await start({
      features,
      upgrade: async (upgrade) => {
        const command = await acceptRemoteCommand(upgrade, { ...streams, signal: never });
        command.stdout?.end(Buffer.alloc(size, 'x'));
        await command.finish(successStatus);
      },
    });
    await using client = await openRemoteCommand(await setup.api.dial(), {
      ...{ via, host: setup.api.host, path: exec, signal: never },
      ...streams,
      ...(protocols && { protocols }),
    });
    assert.ok(client.stdout);
    await once(client.stdout, 'readable');
    assert.equal((await read(client.stdout)).length, size);
    assert.deepEqual(await client.status, successStatus);
  });
}

for (const { via, features } of [
  { via: 'spdy', features: [] },
  { via: 'websocket', features: [] },
  { via: 'websocket', features: ['ExtendWebSocketsToKubelet'] },
] as const) {
  test(`port-forward by ${via} to a kubelet with ${features[0] ?? 'SPDY'}: parallel connections, half-close and failures`, async () => {
    await using echo = await listenEcho();
    await using setup = await start({
      features,
      upgrade: async (upgrade) => {
        for await (const request of acceptPortForward(upgrade, { signal: never })) {
          if (request.port === 81) request.fail('error forwarding port 81 to pod web: connection refused');
          else void pipeline(request.stream, echo.connect(), request.stream).catch(() => {});
        }
      },
    });
    await using client = await openPortForward(await setup.api.dial(), {
      ...{ via, host: setup.api.host, path: forward, signal: never },
    });
    const answers = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const { stream, failure } = await client.connect(80);
        stream.end(String(index).repeat(300_000));
        return [await read(stream), await failure];
      }),
    );
    for (const [index, [text, failure]] of answers.entries()) {
      assert.equal(text, String(index).repeat(300_000));
      assert.equal(failure, undefined);
    }
    const refused = await client.connect(81);
    refused.stream.resume();
    assert.equal(await refused.failure, 'error forwarding port 81 to pod web: connection refused');
  });
}

test('a failure is told alike to the WebSocket and to the SPDY try', async () => {
  await using setup = await start({
    upgrade: async ({ socket }) => {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 18\r\n\r\npod does not exist');
    },
  });
  const message = 'unable to upgrade connection: kubelet of node "n1" answered 404: pod does not exist';
  const overSpdy = openRemoteCommand(await setup.api.dial(), {
    ...{ via: 'spdy', host: setup.api.host, path: exec, signal: never },
    ...streams,
  });
  await assert.rejects(overSpdy, (error: Error & { status: number; body: Buffer }) => {
    assert.equal(error.status, 404);
    assert.equal(JSON.parse(String(error.body)).message, message);
    return true;
  });
  await using client = await openRemoteCommand(await setup.api.dial(), {
    ...{ via: 'websocket', host: setup.api.host, path: exec, signal: never },
    ...streams,
  });
  const status = await client.status;
  assert.deepEqual([status.code, status.message], [404, message]);
});

test("a kubelet's refusal of the API server's credentials is not passed on as the user's", async () => {
  await using setup = await start({
    upgrade: async ({ socket }) => {
      socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\nUnauthorized');
    },
  });
  const answer = await raw(setup.api, upgradeRequest('POST', exec));
  assert.match(answer, /^HTTP\/1\.1 500 /);
  assert.match(answer, /refused the API server's own credentials with 401/);
});

test('a redirect of the kubelet is an error and nothing goes to where it points', async () => {
  let followed = 0;
  await using setup = await start({
    request: (_request, response) => {
      followed += 1;
      response.writeHead(302, { Location: 'https://169.254.169.254/' }).end();
    },
    upgrade: async ({ socket }) => {
      followed += 1;
      socket.end('HTTP/1.1 302 Found\r\nLocation: https://169.254.169.254/\r\nContent-Length: 0\r\n\r\n');
    },
  });
  const answer = await raw(setup.api, upgradeRequest('POST', exec));
  assert.match(answer, /^HTTP\/1\.1 500 [\s\S]*answered with a redirect \(302\), which is refused/);
  const log = await raw(setup.api, getRequest('/api/v1/namespaces/default/pods/web/log'));
  assert.match(log, /^HTTP\/1\.1 500 [\s\S]*answered with a redirect/);
  assert.equal(followed, 2);
});

test('after a refused upgrade both connections are closed and nothing pipelined is forwarded', async () => {
  const closed = Promise.withResolvers<void>();
  let received = '';
  await using setup = await start({
    upgrade: async ({ socket }) => {
      socket.on('data', (chunk) => {
        received += chunk;
      });
      socket.once('close', () => closed.resolve());
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
    },
  });
  const pipelined = 'GET /pods HTTP/1.1\r\nHost: kubelet\r\n\r\n';
  const answer = await raw(setup.api, upgradeRequest('POST', exec) + pipelined);
  assert.match(answer, /^HTTP\/1\.1 500 /);
  assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1);
  await closed.promise;
  assert.equal(received, '');
  assert.equal(setup.kubelet.requests.length, 1);
});

test("the user's credentials never reach the kubelet", async () => {
  await using setup = await start({
    upgrade: async (upgrade) => {
      const command = await acceptRemoteCommand(upgrade, { ...streams, signal: never });
      await command.finish(successStatus);
    },
  });
  await using client = await openRemoteCommand(await setup.api.dial(), {
    ...{ via: 'spdy', host: setup.api.host, path: exec, signal: never },
    headers: { Authorization: 'Bearer secret', 'Impersonate-User': 'root', Cookie: 'a=b' },
    ...streams,
  });
  await client.status;
  const names = Object.keys(setup.kubelet.requests[0]?.headers ?? {});
  assert.deepEqual(
    names.filter((name) => /authorization|impersonate|cookie/.test(name)),
    [],
  );
});

test('opening a stream by GET needs the right to create', async () => {
  await using setup = await start({ mayCreate: false });
  const answer = await raw(setup.api, getRequest(exec));
  assert.match(answer, /^HTTP\/1\.1 403 /);
  assert.match(answer, /cannot create resource \\"pods\/exec\\" in API group/);
});

test('what cannot be streamed is refused with a reason', async () => {
  await using setup = await start({});
  const cases: [string, string, RegExp][] = [
    ['POST', exec, /400 [\s\S]*Upgrade request required/],
    ['POST', exec.replace('web', 'gone'), /404 [\s\S]*pods \\"gone\\" not found/],
    ['POST', exec.replace('container=c', 'container=x'), /400 [\s\S]*container x is not valid for pod web/],
    ['POST', exec.replace('web', 'two').replace('container=c&', ''), /choose one of: \[a b\]/],
    ['POST', exec.replace('web', 'waiting'), /400 [\s\S]*pod waiting does not have a host assigned/],
    ['POST', `${forward}?ports=0`, /400 /],
    ['GET', '/api/v1/namespaces/default/pods/waiting/log', /204 /],
    ['GET', '/api/v1/namespaces/default/pods/web/log?tailLines=-1', /422 [\s\S]*tailLines: Invalid value: -1/],
    ['GET', '/api/v1/namespaces/default/pods/web/log?limitBytes=0', /422 /],
    ['GET', '/api/v1/namespaces/default/pods/web/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z', /422 /],
    ['GET', '/api/v1/namespaces/default/pods/web/log?sinceTime=yesterday', /400 /],
  ];
  for (const [method, path, expected] of cases) {
    const answer = await raw(setup.api, `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    assert.match(answer, expected, path);
  }
});

test('logs pass with their options, and the kubelet stops when the client reads no more', async () => {
  const gone = Promise.withResolvers<void>();
  await using setup = await start({
    request: (_request, response) => {
      response.write('first line\n');
      response.once('close', () => gone.resolve());
    },
  });
  const options = 'container=c&follow=true&sinceTime=2026-01-02T03:04:05.678Z&tailLines=5&timestamps=true';
  const socket = await setup.api.dial();
  socket.write(getRequest(`/api/v1/namespaces/default/pods/web/log?${options}`));
  let answer = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    answer += String(chunk);
    if (answer.includes('first line\n')) break;
  }
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-type: text\/plain/);
  await gone.promise;
  const path =
    '/containerLogs/default/web/c?follow=true&sinceTime=2026-01-02T03%3A04%3A05Z&tailLines=5&timestamps=true';
  assert.equal(setup.kubelet.requests[0]?.line, `GET ${path}`);
});

test("the kubelet's answer to a log request is mapped to a Status", async () => {
  const answers: [number, string, RegExp][] = [
    [
      400,
      'container "c" in pod "web" is waiting to start: ContainerCreating',
      /400 [\s\S]*"message":"container \\"c\\"/,
    ],
    [404, 'pod "web" does not exist', /404 [\s\S]*UnexpectedServerResponse/],
    [500, 'broken', /500 [\s\S]*Internal error occurred: broken/],
    [403, 'Forbidden', /500 [\s\S]*refused the API server's own credentials/],
  ];
  for (const [status, body, expected] of answers) {
    await using setup = await start({ request: (_request, response) => void response.writeHead(status).end(body) });
    assert.match(await raw(setup.api, getRequest('/api/v1/namespaces/default/pods/web/log')), expected);
  }
});

interface Setup extends AsyncDisposable {
  readonly api: TestApi;
  readonly kubelet: TestKubelet;
}

async function start(options: {
  features?: readonly string[];
  upgrade?: (upgrade: UpgradeRequest) => Promise<void>;
  request?: Parameters<typeof listenKubelet>[1]['request'];
  mayCreate?: boolean;
}): Promise<Setup> {
  const kubelet = await listenKubelet(serving, options);
  const objects = objectsOf([
    nodeAt(kubelet.port, 'n1', [...(options.features ?? [])]),
    podOn('n1'),
    podOn('n1', 'two', ['a', 'b']),
    podOn(undefined, 'waiting'),
  ]);
  const connector = connectorTo(objects, { caPem: authority.certificatePem });
  const api = await listenApi(authority, objects, connector, options);
  return {
    api,
    kubelet,
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await kubelet[Symbol.asyncDispose]();
    },
  };
}

async function listenEcho(): Promise<AsyncDisposable & { connect(): import('node:net').Socket }> {
  const { connect } = await import('node:net');
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.pipe(socket); // loopback in a test; errors end the process, which is right
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    connect: () => connect({ host: '127.0.0.1', port, allowHalfOpen: true }),
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function upgradeRequest(method: string, path: string): string {
  const headers = 'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n';
  return `${method} ${path} HTTP/1.1\r\nHost: api\r\n${headers}\r\n`;
}

function getRequest(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n`;
}

/** Sends bytes and gives all that comes until the server closes. */
async function raw(api: TestApi, request: string): Promise<string> {
  const socket = await api.dial();
  socket.write(request);
  return read(socket);
}

async function read(stream: Readable | undefined): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}
