import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import net, { type Socket } from 'node:net';
import { before, test } from 'node:test';
import tls, { type TLSSocket } from 'node:tls';
import { type LogFields, type Logger, silentLogger } from '../../lib/log.ts';
import { Metrics } from '../../lib/metrics.ts';
import { KonnectivityAgent } from '../agent/run-agent.ts';
import { type KonnectivityServer, listenKonnectivity } from '../server/listen-konnectivity.ts';
import {
  createTestCredentials,
  listenTarget,
  openTestTunnel,
  readAll,
  type TestCredentials,
  until,
} from '../tunnel-suite.ts';
import { acceptTunnel } from './accept-tunnel.ts';
import { nativeProtocol } from './native-protocol.ts';
import { watchPeer } from './watch-peer.ts';

let credentials: TestCredentials;
let node1: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
  node1 = await createTestCredentials({ clientName: 'system:node:n1', clientGroups: ['system:nodes'] });
});

const never = new AbortController().signal;

/** Keeps what is logged. */
function recordingLogger(): Logger & { readonly lines: (LogFields & { message: string })[] } {
  const lines: (LogFields & { message: string })[] = [];
  const logger = (fields: LogFields): Logger => {
    const log = (message: string, more: LogFields = {}) => void lines.push({ ...fields, ...more, message });
    return { debug: log, info: log, warn: log, error: log, with: (more) => logger({ ...fields, ...more }) };
  };
  return { ...logger({}), lines };
}

function listen(
  { serverTls }: TestCredentials,
  { log = silentLogger, ...config }: Partial<Parameters<typeof listenKonnectivity>[0]> & { log?: Logger } = {},
): Promise<KonnectivityServer> {
  const agents = { address: { port: 0, host: '127.0.0.1' }, tls: serverTls };
  return listenKonnectivity({ serverId: 's1', agents, ...config }, { log, signal: never, metrics: new Metrics() });
}

/** An agent that does what a test tells it, as far as HTTP/2 goes. */
async function connectRawAgent(
  { ca, client }: TestCredentials,
  port: number,
): Promise<{ session: ServerHttp2Session; socket: TLSSocket; hello: ServerHttp2Stream; closed: Promise<unknown> }> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    ca,
    cert: client.certificate,
    key: client.key,
    ALPNProtocols: [nativeProtocol],
  });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const session = http2.performServerHandshake(socket);
  session.on('error', () => {});
  const closed = once(session, 'close');
  const [hello] = (await once(session, 'stream')) as [ServerHttp2Stream];
  hello.on('error', () => {});
  return { session, socket, hello, closed };
}

test('our own ends choose the native tunnel, and an agent that offers only h2 gets upstream’s protocol', async () => {
  await using target = await listenTarget((socket) => socket.end('hello'));
  for (const upstreamProtocolOnly of [false, true]) {
    await using tunnel = await openTestTunnel(credentials, {
      agent: { upstreamProtocolOnly, alpnProtocols: ['x'] } as object,
    });
    const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
    assert.equal((await readAll(stream)).toString(), 'hello');
    stream.end();
    const packets = /stream_packets_total\{segment="from_agent"/.test(await tunnel.serverMetrics.render());
    assert.equal(packets, upstreamProtocolOnly);
  }
});

test('an agent by somebody else’s listener serves its node, by its user, and no other node’s dials', async () => {
  const { ca, serverTls, client } = node1;
  await using server = await listenKonnectivity(
    { serverId: 's1' },
    { log: silentLogger, signal: never, metrics: new Metrics() },
  );
  assert.equal(server.agentPort, 0);
  const listener = tls.createServer({
    cert: serverTls.certificate,
    key: serverTls.key,
    ALPNProtocols: [server.protocol, 'h2'],
  });
  const users = [
    { username: 'system:node:n1', groups: ['system:nodes'] },
    { username: 'system:node:n2', groups: [] },
  ];
  listener.on('secureConnection', (socket) => {
    socket.pause(); // as one that looks the user up first
    const user = users.shift();
    assert.ok(user);
    setImmediate(() => server.acceptNative(socket, user));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as net.AddressInfo; // it listens on TCP
  const config = { server: { host: '127.0.0.1', port }, tls: { ca, certificate: client } };
  const options = { log: silentLogger, metrics: new Metrics() };
  await using first = new KonnectivityAgent({ ...config, agentId: 'a1' }, options);
  await until(() => first.ready && server.agents().length === 1);
  await using second = new KonnectivityAgent({ ...config, agentId: 'a2' }, { ...options, metrics: new Metrics() });
  await until(() => second.ready && server.agents().length === 2);
  await using target = await listenTarget((socket) => socket.end('hello'));
  const address = { host: '127.0.0.1', port: target.port };
  for (let round = 0; round < 5; round++) {
    const routes: unknown[] = [];
    const onRoute = (route: unknown) => routes.push(route);
    const stream = await server.dial({ ...address, node: 'n1' }, { signal: never, onRoute });
    assert.deepEqual(routes, [{ kind: 'tunnel', via: 'a1' }]);
    assert.equal((await readAll(stream)).toString(), 'hello');
    stream.end();
  }
  // A node's name without the nodes' group is no node.
  await assert.rejects(server.dial({ ...address, node: 'n2' }, { signal: never }), {
    message: /no agent of node n2 is connected/,
  });
  listener.close();
});

test('an agent that claims another node is told why and is not registered', async () => {
  const log = recordingLogger();
  await using server = await listen(node1, { log });
  const agentLog = recordingLogger();
  await using agent = new KonnectivityAgent(
    {
      agentId: 'thief',
      identifiers: 'host=n2',
      server: { host: '127.0.0.1', port: server.agentPort },
      tls: { ca: node1.ca, certificate: node1.client },
    },
    { log: agentLog, metrics: new Metrics() },
  );
  await until(() => agentLog.lines.some(({ message }) => message === 'Cannot connect to the server'));
  const failure = agentLog.lines.find(({ message }) => message === 'Cannot connect to the server');
  const reason = 'the server refused the agent: node n1 may not be the agent of host n2';
  assert.equal((failure?.['error'] as Error | undefined)?.message, reason);
  assert.equal(agent.ready, false);
  assert.deepEqual(server.agents(), []);
  assert.ok(log.lines.some(({ message }) => message === 'Agent rejected'));
});

test('an agent that never answers the hello is cut at the deadline', async () => {
  const accepted = Promise.withResolvers<Socket>();
  await using silent = await listenTarget((socket) => accepted.resolve(socket));
  const socket = net.connect(silent.port, '127.0.0.1');
  await once(socket, 'connect');
  const tunnel = acceptTunnel(socket, { serverId: 's1', serverCount: 1, helloTimeoutMs: 20 });
  await assert.rejects(tunnel, { message: 'the agent did not answer within 20 ms' });
  if (!socket.closed) await once(socket, 'close');
});

test('an agent with a hundred headers, or with none of the names it needs, is not let in', async () => {
  await using server = await listen(credentials);
  const padding = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`padding-${index}`, 'x'.repeat(200)]));
  for (const headers of [{ agentid: 'a', ...padding }, {}]) {
    const raw = await connectRawAgent(credentials, server.agentPort);
    raw.hello.respond({ ':status': 200, ...headers });
    await raw.closed;
    assert.deepEqual(server.agents(), []);
  }
});

test('an agent that resets every stream harms only its own dials', async () => {
  await using server = await listen(credentials, { strategies: ['destHost', 'default'] });
  const raw = await connectRawAgent(credentials, server.agentPort);
  raw.hello.respond({ ':status': 200, agentid: 'hostile', agentidentifiers: 'host=hostile' });
  raw.session.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {});
    stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  });
  await until(() => server.agents().length === 1);
  await using agent = new KonnectivityAgent(
    {
      agentId: 'good',
      identifiers: 'host=127.0.0.1',
      server: { host: '127.0.0.1', port: server.agentPort },
      tls: { ca: credentials.ca, certificate: credentials.client },
    },
    { log: silentLogger, metrics: new Metrics() },
  );
  await until(() => agent.ready && server.agents().length === 2);
  for (let round = 0; round < 200; round++) {
    await assert.rejects(server.dial({ host: 'hostile', port: 1 }, { signal: never }), {
      message: 'Cannot dial hostile:1 through the Konnectivity tunnel: the agent reset the dial',
    });
  }
  await using target = await listenTarget((socket) => socket.end('hello'));
  const stream = await server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  assert.equal((await readAll(stream)).toString(), 'hello');
  stream.end();
  raw.session.destroy();
});

test('dials that are given up by the thousand leave nothing and do not end the tunnel', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using target = await listenTarget((socket) => socket.on('end', () => socket.end()).resume());
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const abandon = new AbortController();
        const dial = tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: abandon.signal });
        if (index % 2 === 0) setImmediate(() => abandon.abort(new Error('given up')));
        else abandon.abort(new Error('given up'));
        const stream = await dial.catch((error: Error) => assert.equal(error.message, 'given up'));
        stream?.destroy();
      }),
    );
  }
  await until(() => tunnel.agent.connections === 0);
  const metrics = await tunnel.serverMetrics.render();
  assert.match(metrics, /server_pending_backend_dials 0\n/);
  assert.match(metrics, /server_established_connections 0\n/);
  assert.match(metrics, /server_ready_backend_connections 1\n/);
});

test('an address that is none is refused without a stream', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await assert.rejects(tunnel.server.dial({ host: 'a b', port: 1 }, { signal: never }), {
    message: /address a b:1: missing or invalid port in address$/,
  });
  await assert.rejects(tunnel.server.dial({ host: '127.0.0.1', port: 99_999 }, { signal: never }), {
    message: /address 127.0.0.1:99999: missing or invalid port in address$/,
  });
});

test('an agent that drains takes dials only where there is no other, and what is open goes on', async () => {
  await using tunnel = await openTestTunnel(credentials);
  await using target = await listenTarget((socket) => socket.pipe(socket));
  const stream = await tunnel.server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  tunnel.agent.drain();
  await using other = new KonnectivityAgent(
    {
      agentId: 'agent-2',
      server: { host: '127.0.0.1', port: tunnel.server.agentPort },
      tls: { ca: credentials.ca, certificate: credentials.client },
    },
    { log: silentLogger, metrics: new Metrics() },
  );
  await until(() => other.ready && tunnel.server.agents().length === 2);
  for (let round = 0; round < 10; round++) {
    const routes: unknown[] = [];
    const next = await tunnel.server.dial(
      { host: '127.0.0.1', port: target.port },
      { signal: never, onRoute: (route) => routes.push(route) },
    );
    assert.deepEqual(routes, [{ kind: 'tunnel', via: 'agent-2' }]);
    next.destroy();
  }
  stream.write('still here');
  const [answer] = (await once(stream, 'data')) as [Buffer];
  assert.equal(answer.toString(), 'still here');
  stream.end();
});

test('a server that drains tells its agents, and what is open goes on', async () => {
  await using server = await listen(credentials);
  const log = recordingLogger();
  await using agent = new KonnectivityAgent(
    {
      agentId: 'a1',
      server: { host: '127.0.0.1', port: server.agentPort },
      tls: { ca: credentials.ca, certificate: credentials.client },
    },
    { log, metrics: new Metrics() },
  );
  await until(() => agent.ready && server.agents().length === 1);
  await using target = await listenTarget((socket) => socket.pipe(socket));
  const stream = await server.dial({ host: '127.0.0.1', port: target.port }, { signal: never });
  const drained = server.drain(60_000);
  await until(() => log.lines.some(({ message }) => message === 'Server drains'));
  stream.end('still here');
  assert.equal((await readAll(stream)).toString(), 'still here');
  await drained;
});

test('a peer that says nothing is found by pings, and one that answers is not', async () => {
  for (const alive of [true, false]) {
    const server = http2.createServer();
    server.listen(0, '127.0.0.1');
    const sockets: Socket[] = [];
    server.on('connection', (socket: Socket) => sockets.push(socket));
    await once(server, 'listening');
    const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
    const session = http2.connect('http://peer', { createConnection: () => socket });
    await once(session, 'remoteSettings');
    if (!alive) {
      // A frozen process: its socket takes nothing and answers nothing.
      for (const frozen of sockets) frozen.pause();
      server.on('session', () => {});
    }
    const dead = Promise.withResolvers<string>();
    let pings = 0;
    const { ping } = session;
    session.ping = (...args: unknown[]) => {
      pings++;
      if (pings >= 5) dead.resolve('alive');
      return alive ? Reflect.apply(ping, session, args) : true;
    };
    const bytesRead = () => socket.bytesRead;
    const onDead = (error: Error) => dead.resolve(error.message);
    watchPeer(session, { bytesRead, quietMs: 30, deadMs: 300, tickMs: 30, onDead });
    const verdict = await dead.promise;
    if (alive) assert.equal(verdict, 'alive');
    else assert.match(verdict, /^the peer did not answer a ping within /);
    session.destroy();
    server.close();
  }
});
