import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { type ConnectAddress, listenTarget, readAll } from '../../src/tunnel/tunnel-suite.ts';
import { grpcTunnels, httpTunnels, type OpenTunnel } from './konnectivity-clients.ts';
import {
  freePorts,
  type KonnectivityFiles,
  konnectivityProgram,
  type Maker,
  startAgent,
  startServer,
  writeKonnectivityFiles,
} from './konnectivity-peers.ts';

const makers: readonly Maker[] = ['ours', 'upstream'];
const payload = randomBytes(4 * 1024 * 1024);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let files: KonnectivityFiles;
before(async () => {
  files = await writeKonnectivityFiles(await mkdtemp(join(tmpdir(), 'fairlead-konnectivity-')));
});
after(() => rm(files.directory, { recursive: true }));

for (const server of makers) {
  for (const agent of makers) {
    for (const mode of ['grpc', 'http-connect'] as const) {
      for (const transport of ['Unix socket', 'mutual TLS'] as const) {
        describe(`${server} server, ${agent} agent, ${mode} on ${transport}`, () => {
          combination({ server, agent, mode, transport });
        });
      }
    }
  }
}

interface Combination {
  readonly server: Maker;
  readonly agent: Maker;
  readonly mode: 'grpc' | 'http-connect';
  readonly transport: 'Unix socket' | 'mutual TLS';
}

function combination({ server, agent, mode, transport }: Combination): void {
  const serverProgram = konnectivityProgram(server, 'server');
  const agentProgram = konnectivityProgram(agent, 'agent');
  if (!serverProgram || !agentProgram) {
    test('bytes go through', {
      skip: 'the upstream server and agent are not built: npm run peers konnectivity',
    }, () => {});
    return;
  }

  test('bytes go both ways, first words and last ones arrive, failures are told', async (context) => {
    await using opened = new AsyncDisposableStack();
    const ports = await freePorts();
    const udsPath = transport === 'Unix socket' ? join(files.directory, `${ports.agent}.sock`) : undefined;
    opened.use(await startServer(serverProgram, { ...files, mode, udsPath, ports }));
    const running = opened.use(await startAgent(agentProgram, { ...files, ports, serverHealthPort: ports.health }));
    const { ca, client } = files.credentials;
    const address: ConnectAddress = udsPath ? { path: udsPath } : { port: ports.server, ca, client };
    const open: OpenTunnel = mode === 'grpc' ? grpcTunnels(address) : httpTunnels(address);

    await context.test('an echo of 4 MB', () => echoes(open));
    await context.test('a target that closes behind 4 MB', () => receivesAll(open));
    if (server === 'ours') await context.test('a target that speaks first, 200 times', () => hearsFirstWords(open));
    if (agent === 'ours') await context.test('a client that closes behind 4 MB', () => deliversAll(open));
    if (server === 'ours' && agent === 'ours' && mode === 'http-connect') {
      await context.test('a half-close leaves the answer open', () => answersAfterEnd(open));
    }
    if (server === 'ours') await context.test('a client that takes nothing beside others', () => outlivesStall(open));
    await context.test('a refused dial', async () => {
      const closed = await listenTarget(() => {});
      await closed[Symbol.asyncDispose]();
      await assert.rejects(open(`127.0.0.1:${closed.port}`), /connect: connection refused/);
    });
    await context.test('an agent that is killed', async () => {
      await using target = await listenTarget((socket) => socket.pipe(socket));
      const tunnel = await open(`127.0.0.1:${target.port}`);
      tunnel.on('error', () => {}); // an end by an error is as good as an end
      const over = once(tunnel, 'close');
      tunnel.on('end', () => tunnel.destroy());
      tunnel.resume();
      running.child.kill('SIGKILL');
      await over;
      await assert.rejects(open(`127.0.0.1:${target.port}`), /No agent available|context canceled/);
    });
  });
}

async function echoes(open: OpenTunnel): Promise<void> {
  await using target = await listenTarget((socket) => socket.pipe(socket));
  const tunnel = await open(`127.0.0.1:${target.port}`);
  tunnel.write(payload);
  assert.equal(hash(await read(tunnel, payload.length)), hash(payload));
  await finish(tunnel);
}

async function receivesAll(open: OpenTunnel): Promise<void> {
  await using target = await listenTarget((socket) => void socket.once('data', () => socket.end(payload)));
  const tunnel = await open(`127.0.0.1:${target.port}`);
  tunnel.write('go');
  assert.equal(hash(await readAll(tunnel)), hash(payload));
  await finish(tunnel);
}

async function hearsFirstWords(open: OpenTunnel): Promise<void> {
  const words = 'SSH-2.0-target\r\n';
  await using target = await listenTarget((socket) => void socket.write(words));
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const tunnel = await open(`127.0.0.1:${target.port}`);
        assert.equal((await read(tunnel, words.length)).toString(), words);
        await finish(tunnel);
      }),
    );
  }
}

/** A target that begins to read late, and a client that has closed by then. */
async function deliversAll(open: OpenTunnel): Promise<void> {
  const received = Promise.withResolvers<Buffer>();
  await using target = await listenTarget((socket) => {
    setTimeout(() => void readAll(socket).then(received.resolve, received.reject), 300);
  });
  const tunnel = await open(`127.0.0.1:${target.port}`);
  tunnel.on('error', () => {}); // the answer to a close may be a reset
  tunnel.resume();
  tunnel.end(payload);
  assert.equal(hash(await received.promise), hash(payload));
  tunnel.destroy();
}

async function answersAfterEnd(open: OpenTunnel): Promise<void> {
  await using target = await listenTarget((socket) => {
    void readAll(socket).then((bytes) => socket.end(`got ${bytes.length}`));
  });
  const tunnel = await open(`127.0.0.1:${target.port}`);
  tunnel.end(payload);
  assert.equal((await readAll(tunnel)).toString(), `got ${payload.length}`);
}

/** With an upstream agent the stalled one is closed after a second; with ours it waits for itself alone. */
async function outlivesStall(open: OpenTunnel): Promise<void> {
  await using endless = await listenTarget((socket) => {
    const push = () => {
      while (!socket.destroyed && socket.write(payload.subarray(0, 64 * 1024)));
    };
    socket.on('drain', push);
    push();
  });
  const stalled = await open(`127.0.0.1:${endless.port}`);
  await read(stalled, 1);
  for (let round = 0; round < 3; round++) await receivesAll(open);
  await finish(stalled);
}

/** The next `length` bytes; the tunnel is paused behind them. */
function read(tunnel: Duplex, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let received = 0;
    const early = () => reject(new Error(`the tunnel ended behind ${received} of ${length} bytes`));
    const take = (chunk: Buffer) => {
      parts.push(chunk);
      received += chunk.length;
      if (received < length) return;
      tunnel.pause();
      tunnel.off('data', take);
      tunnel.off('end', early);
      tunnel.off('error', reject);
      resolve(Buffer.concat(parts));
    };
    tunnel.on('data', take);
    tunnel.on('end', early);
    tunnel.on('error', reject);
    tunnel.resume();
  });
}

async function finish(tunnel: Duplex): Promise<void> {
  tunnel.on('error', () => {}); // the peer may have reset what is being ended
  if (!tunnel.closed) {
    const closed = once(tunnel, 'close');
    tunnel.destroy();
    await closed;
  }
}
