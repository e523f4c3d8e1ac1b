import assert from 'node:assert/strict';
import http2, { performServerHandshake } from 'node:http2';
import net from 'node:net';
import { before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import tls, { type TLSSocket } from 'node:tls';
import { createLogger } from '../../src/lib/log.ts';
import { Metrics } from '../../src/lib/metrics.ts';
import { KonnectivityAgent } from '../../src/tunnel/agent/run-agent.ts';
import { helloPath, nativeProtocol } from '../../src/tunnel/native/native-protocol.ts';
import { PacketStream } from '../../src/tunnel/packet-stream.ts';
import { RawAgent } from '../../src/tunnel/server/raw-agent-suite.ts';
import {
  connectThrough,
  createTestCredentials,
  listenTarget,
  openTestTunnel,
  readAll,
  type TestCredentials,
  type TestTunnel,
  until,
} from '../../src/tunnel/tunnel-suite.ts';
import { listenEcho, soakFactor } from './tunnel-bed.ts';

let credentials: TestCredentials;
before(async () => {
  credentials = await createTestCredentials();
});

interface Attack {
  readonly name: string;
  readonly mode?: 'grpc' | 'http-connect';
  /** How often it may be told, beside agents that come and go. */
  readonly warnings: number;
  readonly run: (tunnel: TestTunnel) => Promise<void>;
}

const many = 20_000 * soakFactor;
const memoryBoundMb = 96;
/** The hostile agent's host, by which dials find it. */
const evil = { agentid: 'evil', agentidentifiers: 'host=evil.test' };

const attacks: readonly Attack[] = [
  {
    name: 'an agent that sends packets out of order and for ids that nobody knows',
    warnings: 1,
    run: async ({ server }) => {
      await using agent = new RawAgent(server.agentPort, credentials, evil);
      await agent.headers;
      const data = Buffer.alloc(100);
      for (let id = 1n; id < BigInt(many); id++) {
        agent.send({ type: 'DATA', connectId: id, data });
        agent.send({ type: 'CLOSE_RSP', error: 'x', connectId: id });
        agent.send({ type: 'DIAL_RSP', error: '', connectId: id, random: id });
        agent.send({ type: 'WINDOW', connectId: id, bytes: 0x7fffffff });
        agent.send({ type: 'FIN', connectId: id });
        if (id % 1000n === 0n) await wait(1);
      }
      await until(() => agent.packets.over || agent.packets.writable, 20_000);
    },
  },
  {
    name: 'agents that announce huge messages, or none that can be read',
    warnings: 40,
    run: async ({ server }) => {
      for (const bytes of [
        '00ffffffff',
        '0000fffffff0aa',
        '01000000010a',
        '0000000003ffffff',
        '00000000050affffff7f',
      ]) {
        await using agent = new RawAgent(server.agentPort, credentials, evil);
        await agent.headers;
        agent.packets.stream.write(Buffer.from(bytes.padEnd(64, '00'), 'hex'));
        await Promise.race([until(() => agent.packets.over, 5_000).catch(() => {}), wait(500)]);
      }
    },
  },
  {
    name: 'an agent that floods a client who does not read',
    warnings: 1,
    run: async ({ server, udsPath }) => {
      await using agent = new RawAgent(server.agentPort, credentials, evil);
      await agent.headers;
      const dialing = connectThrough({ path: udsPath }, 'evil.test:80');
      const { random } = await agent.next('DIAL_REQ');
      agent.send({ type: 'DIAL_RSP', error: '', connectId: 7n, random });
      const { socket } = await dialing;
      socket.on('error', () => {}); // it is cut
      const data = Buffer.alloc(32 * 1024);
      for (let sent = 0; sent < 4096 && !agent.packets.over; sent++) {
        if (!agent.packets.writable)
          await Promise.race([new Promise<void>((go) => agent.packets.whenWritable(go)), wait(3000)]);
        agent.packets.sendData(7n, data);
      }
      socket.destroy();
    },
  },
  {
    name: 'an agent that claims to know windows and does not keep to them',
    warnings: 1,
    run: async ({ server, udsPath }) => {
      const extensions = { 'fairlead-extensions': 'fin,window=1048576' };
      await using agent = new RawAgent(server.agentPort, credentials, { ...evil, ...extensions });
      await agent.headers;
      const dialing = connectThrough({ path: udsPath }, 'evil.test:80');
      const { random } = await agent.next('DIAL_REQ');
      agent.send({ type: 'DIAL_RSP', error: '', connectId: 7n, random });
      const { socket } = await dialing;
      socket.on('error', () => {}); // it is cut
      const data = Buffer.alloc(32 * 1024);
      for (let sent = 0; sent < 2048 && !agent.packets.over; sent++) {
        if (!agent.packets.writable)
          await Promise.race([new Promise<void>((go) => agent.packets.whenWritable(go)), wait(3000)]);
        agent.packets.sendData(7n, data);
      }
      socket.destroy();
    },
  },
  {
    name: 'an agent that answers no dial',
    warnings: 1,
    run: async ({ server, udsPath }) => {
      await using agent = new RawAgent(server.agentPort, credentials, evil);
      await agent.headers;
      const asked = Array.from({ length: 200 }, async (_, index) => {
        const socket = net.connect({ path: udsPath });
        socket.on('error', () => {}); // half of them hang up
        socket.write('CONNECT evil.test:80 HTTP/1.1\r\nHost: x\r\n\r\n');
        if (index % 2 === 0) {
          await wait(20);
          socket.destroy();
          return '504';
        }
        return (await readAll(socket)).toString().slice(9, 12);
      });
      assert.deepEqual(new Set(await Promise.all(asked)), new Set(['504']));
    },
  },
  {
    name: 'connections that never finish their handshake',
    warnings: 400,
    run: async ({ server, agent }) => {
      const open: (net.Socket | TLSSocket)[] = [];
      const idle = () => net.connect(server.agentPort, '127.0.0.1');
      for (let count = 0; count < 200; count++) open.push(idle());
      for (const protocol of [nativeProtocol, 'h2']) {
        for (let count = 0; count < 20; count++) open.push(connectTls(server.agentPort, protocol));
      }
      for (const socket of open) socket.on('error', () => {}).resume(); // cut by the server
      await wait(200);
      // Who comes meanwhile gets in.
      const startedMs = performance.now();
      await using late = new KonnectivityAgent(
        {
          agentId: 'late',
          identifiers: 'host=late.test',
          server: { host: '127.0.0.1', port: server.agentPort },
          tls: { ca: credentials.ca, certificate: credentials.client },
        },
        { log: createLogger({ level: 'silent' }), metrics: new Metrics() },
      );
      await until(() => late.ready, 15_000);
      const lateMs = performance.now() - startedMs;
      assert.ok(lateMs < 6_000, `an honest agent waited ${lateMs} ms`);
      assert.ok(agent.ready);
      await until(() => open.filter((socket) => !socket.destroyed).length <= 20, 30_000);
      for (const socket of open) socket.destroy();
    },
  },
  {
    name: 'native agents that speak nonsense, or without end, or not at all',
    warnings: 100,
    run: async ({ server, udsPath }) => {
      for (const nonsense of [Buffer.alloc(100_000, 'x'), Buffer.alloc(64), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
        const socket = connectTls(server.agentPort, nativeProtocol);
        socket.on('error', () => {}).resume(); // cut by the server
        socket.write(nonsense);
        await until(() => socket.destroyed, 15_000);
      }
      // One that greets, then talks on the control channel without end.
      const talker = await greet(server.agentPort, (stream) => {
        const line = Buffer.alloc(16_384, 'x');
        const talk = () => {
          while (!stream.destroyed && stream.write(line));
        };
        stream.on('drain', talk);
        talk();
      });
      await until(() => talker.destroyed, 15_000);
      // And one that answers dials with bytes that nobody asked for.
      const flooder = await greet(server.agentPort, () => {});
      const { socket } = await connectThrough({ path: udsPath }, 'evil.test:80');
      socket.on('error', () => {}); // it is cut with its agent
      await wait(1000);
      socket.destroy();
      flooder.destroy();
    },
  },
  {
    name: 'clients that send no request, half of one, one that is too long, or none that is known',
    warnings: 10,
    run: async ({ udsPath }) => {
      const open = ['', 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nX: y', 'CONN', '\0\0\0\0'].flatMap((text) =>
        Array.from({ length: 50 }, () => {
          const socket = net.connect({ path: udsPath });
          socket.on('error', () => {}); // cut by the server
          socket.write(text);
          return socket;
        }),
      );
      const long = net.connect({ path: udsPath });
      long.on('error', () => {});
      long.write(`CONNECT 127.0.0.1:1 HTTP/1.1\r\nX: ${'y'.repeat(4 * 1024 * 1024)}\r\n\r\n`);
      const refused = await readAll(long).catch(() => Buffer.from('cut'));
      assert.match(refused.toString(), /^(HTTP\/1\.1 431|cut|$)/);
      for (const socket of open) socket.destroy();
    },
  },
  {
    name: 'gRPC clients that send packets out of order, for ids that nobody knows, and of huge length',
    mode: 'grpc',
    warnings: 10,
    run: async ({ udsPath }) => {
      const session = http2.connect('http://proxy', { createConnection: () => net.connect({ path: udsPath }) });
      session.on('error', () => {}); // cut by the server
      const call = () => {
        const headers = {
          ':method': 'POST',
          ':path': '/ProxyService/Proxy',
          'content-type': 'application/grpc',
          te: 'trailers',
        };
        return new PacketStream(session.request(headers), { onPacket: () => {}, onEnd: () => {} });
      };
      for (let count = 0; count < 200; count++) {
        const packets = call();
        packets.send({ type: 'DATA', connectId: BigInt(count), data: Buffer.alloc(1000) });
        packets.send({ type: 'CLOSE_REQ', connectId: 99n });
        packets.send({ type: 'DIAL_RSP', error: '', connectId: 5n, random: 5n });
        packets.send({ type: 'DIAL_REQ', protocol: 'carrier-pigeon', address: '::::', random: 1n });
        if (count % 2 === 0) packets.stream.write(Buffer.from('00ffffffff', 'hex'));
      }
      await wait(1000);
      session.destroy();
    },
  },
];

for (const upstreamProtocolOnly of [false, true]) {
  for (const attack of attacks) {
    const beside = upstreamProtocolOnly ? "an agent on upstream's protocol" : 'a native agent';
    test(`${attack.name}: bounded, told, and no harm to ${beside}`, { timeout: 120_000 }, () =>
      survives(attack, upstreamProtocolOnly),
    );
  }
}

async function survives(
  { mode = 'http-connect', warnings, run }: Attack,
  upstreamProtocolOnly: boolean,
): Promise<void> {
  const lines: string[] = [];
  const log = createLogger({ level: 'warn', write: (line) => void lines.push(line) });
  await using echo = await listenEcho();
  await using tunnel = await openTestTunnel(credentials, {
    mode,
    log,
    server: { strategies: ['destHost'], trustIdentifiers: true, dialTimeoutMs: 2_000 },
    agent: { identifiers: 'ipv4=127.0.0.1', upstreamProtocolOnly },
  });
  const signal = AbortSignal.timeout(120_000);
  const honest = await tunnel.server.dial({ host: '127.0.0.1', port: echo.port }, { signal });
  honest.on('error', () => {}); // seen as its end
  let rounds = 0;
  honest.on('data', () => {
    rounds++;
    setTimeout(() => honest.write('x'), 10);
  });
  honest.write('x');
  await until(() => rounds > 5);
  const beforeMb = process.memoryUsage().rss / 2 ** 20;
  let highestMb = beforeMb;
  const sampler = setInterval(() => {
    highestMb = Math.max(highestMb, process.memoryUsage().rss / 2 ** 20);
  }, 50);
  try {
    await run(tunnel);
  } finally {
    clearInterval(sampler);
  }
  const reached = rounds;
  await until(() => rounds > reached + 5);
  assert.equal(honest.destroyed, false);
  assert.ok(highestMb - beforeMb < memoryBoundMb, `memory went from ${beforeMb} to ${highestMb} MB`);
  assert.ok(lines.length <= warnings, `${lines.length} lines, like ${lines.slice(0, 3).join('')}`);
  const fresh = await tunnel.server.dial({ host: '127.0.0.1', port: echo.port }, { signal });
  fresh.destroy();
  honest.destroy();
  const gauges = ['established_connections', 'pending_backend_dials'];
  await until(async () => {
    const text = await tunnel.serverMetrics.render();
    return gauges.every((name) => text.includes(`\nkonnectivity_network_proxy_server_${name} 0\n`));
  }, 15_000);
}

function connectTls(port: number, protocol: string): TLSSocket {
  const { ca, client } = credentials;
  return tls.connect({
    host: '127.0.0.1',
    port,
    ca,
    cert: client.certificate,
    key: client.key,
    ALPNProtocols: [protocol],
  });
}

/** A native agent up to its hello; then it does with the control channel what the test wants, and floods whoever dials it. */
async function greet(
  port: number,
  control: (stream: http2.ServerHttp2Stream) => void,
): Promise<http2.ServerHttp2Session> {
  const socket = connectTls(port, nativeProtocol);
  socket.on('error', () => {}); // cut by the server
  const session = performServerHandshake(socket);
  session.on('error', () => {}); // the same
  const greeted = Promise.withResolvers<void>();
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {}); // the same
    if (headers[':path'] === helloPath) {
      stream.respond({
        ':status': 200,
        'fairlead-version': '1',
        agentid: evil.agentid,
        agentidentifiers: evil.agentidentifiers,
      });
      control(stream);
      greeted.resolve();
      return;
    }
    stream.respond({ ':status': 200 });
    const flood = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(64 * 1024)));
    };
    stream.on('drain', flood);
    flood();
  });
  session.on('close', () => greeted.reject(new Error('the server did not greet')));
  await greeted.promise;
  await wait(100);
  return session;
}

test('agents that claim another node are refused, each told once, and harm nobody', { timeout: 60_000 }, async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'warn', write: (line) => void lines.push(line) });
  const names = { clientName: 'system:node:edge-1', clientGroups: ['system:nodes'] };
  const node = await createTestCredentials(names);
  await using target = await listenTarget((socket) => socket.end('honest'));
  await using tunnel = await openTestTunnel(node, {
    log,
    server: { strategies: ['destHost', 'default'] },
    agent: { agentId: 'edge-1', identifiers: 'host=edge-1' },
  });
  const claims = 100;
  for (let count = 0; count < claims; count++) {
    const identifiers = ['host=edge-2', 'ipv4=10.0.0.1', 'default-route=true&host=edge-2'][count % 3] ?? '';
    await using thief = new RawAgent(tunnel.server.agentPort, node, {
      agentid: 'edge-1',
      agentidentifiers: identifiers,
    });
    assert.notEqual((await thief.headers)['grpc-status'] ?? '0', '0');
  }
  assert.equal(tunnel.server.agents().length, 1);
  assert.ok(lines.length <= claims + 1, `${lines.length} lines`);
  const { socket } = await connectThrough({ path: tunnel.udsPath }, `127.0.0.1:${target.port}`);
  assert.equal((await readAll(socket)).toString(), 'honest');
  socket.destroy();
});
