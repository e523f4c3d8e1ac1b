import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import type { ProxyDialer } from '../../src/egress/egress-selector.ts';
import { loadEgressSelector } from '../../src/egress/load-egress-selector.ts';
import { listenTarget, readAll } from '../../src/tunnel/tunnel-suite.ts';
import { type EgressTransport, egressFile, egressTransports } from './egress-files.ts';
import {
  freePorts,
  type KonnectivityFiles,
  konnectivityProgram,
  type Maker,
  startAgent,
  startServer,
  writeKonnectivityFiles,
} from './konnectivity-peers.ts';

const payload = randomBytes(4 * 1024 * 1024);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const { signal } = new AbortController();

let files: KonnectivityFiles;
before(async () => {
  files = await writeKonnectivityFiles(await mkdtemp(join(tmpdir(), 'fairlead-egress-')));
});
after(() => rm(files.directory, { recursive: true }));

for (const maker of ['ours', 'upstream'] as const) {
  for (const transport of egressTransports) {
    describe(`egress selector, ${transport}, ${maker} server and upstream agent`, () => combination(maker, transport));
  }
}

function combination(maker: Maker, transport: EgressTransport): void {
  const serverProgram = konnectivityProgram(maker, 'server');
  const agentProgram = konnectivityProgram('upstream', 'agent');
  if (!serverProgram || !agentProgram) {
    test('bytes go through', { skip: 'not built: npm run peers konnectivity' }, () => {});
    return;
  }

  test('bytes go both ways, last ones arrive, failures are told', async (context) => {
    await using opened = new AsyncDisposableStack();
    const ports = await freePorts();
    const udsPath = transport === 'HTTPConnect mTLS' ? undefined : join(files.directory, `${ports.agent}.sock`);
    const mode = transport === 'GRPC UDS' ? 'grpc' : 'http-connect';
    const server = opened.use(await startServer(serverProgram, { ...files, mode, udsPath, ports }));
    const agent = opened.use(await startAgent(agentProgram, { ...files, ports, serverHealthPort: ports.health }));
    // Asked politely it only drains.
    opened.defer(() => void agent.child.kill('SIGKILL'));
    const path = join(files.directory, `egress-${ports.agent}.yaml`);
    await writeFile(path, egressFile({ transport, directory: files.directory, udsPath, port: ports.server }));
    const dialer = (await loadEgressSelector(path)).dialer('cluster');
    assert.ok(dialer);
    const open = (port: number) => dialer.dial({ host: '127.0.0.1', port }, { signal });

    await context.test('an echo of 4 MB', () => echoes(open));
    await context.test('a target that closes behind 4 MB', () => receivesAll(open));
    await context.test('twenty at a time', async () => {
      await Promise.all(Array.from({ length: 20 }, () => receivesAll(open)));
    });
    await context.test('a reader that comes late gets everything', () => readsLate(open));
    if (mode === 'grpc') await context.test('an answer behind our end', () => answersAfterEnd(open));
    await context.test('a refused dial', () => isRefused(open));
    await context.test('a dial that is given up', () => isGivenUp(dialer));
    await context.test('a server that is killed breaks the stream', async () => {
      await using target = await listenTarget((socket) => void socket.once('data', () => socket.write('hello')));
      const stream = await open(target.port);
      stream.write('go');
      await once(stream, 'data');
      stream.on('error', () => {}); // an end by an error is as good as an end
      const closed = new Promise<void>((resolve) => void stream.once('close', resolve));
      stream.on('end', () => stream.destroy());
      server.child.kill('SIGKILL');
      await closed;
      await assert.rejects(open(target.port), { name: 'ProxyDialError' });
    });
  });
}

type Open = (port: number) => Promise<Duplex>;

async function echoes(open: Open): Promise<void> {
  await using target = await listenTarget((socket) => void socket.pipe(socket));
  const stream = await open(target.port);
  const parts: Buffer[] = [];
  let received = 0;
  const whole = new Promise<void>((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      parts.push(chunk);
      received += chunk.length;
      if (received >= payload.length) resolve();
    });
    stream.once('close', () => reject(new Error(`closed behind ${received} bytes`)));
  });
  stream.write(payload);
  await whole;
  assert.equal(hash(Buffer.concat(parts)), hash(payload));
  await finish(stream);
}

async function receivesAll(open: Open): Promise<void> {
  await using target = await listenTarget((socket) => void socket.once('data', () => socket.end(payload)));
  const stream = await open(target.port);
  stream.write('go');
  assert.equal(hash(await readAll(stream)), hash(payload));
  await finish(stream);
}

async function readsLate(open: Open): Promise<void> {
  const sent = Promise.withResolvers<void>();
  await using target = await listenTarget((socket) => {
    socket.once('data', () => socket.end(payload.subarray(0, 1024 * 1024), () => sent.resolve()));
  });
  const stream = await open(target.port);
  stream.write('go');
  await sent.promise;
  assert.equal(hash(await readAll(stream)), hash(payload.subarray(0, 1024 * 1024)));
  await finish(stream);
}

async function answersAfterEnd(open: Open): Promise<void> {
  const asked = 'a question';
  await using target = await listenTarget((socket) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += String(chunk);
      if (text === asked) socket.end(payload);
    });
  });
  const stream = await open(target.port);
  stream.end(asked);
  assert.equal(hash(await readAll(stream)), hash(payload));
  await finish(stream);
}

async function isRefused(open: Open): Promise<void> {
  const closed = await listenTarget(() => {});
  await closed[Symbol.asyncDispose]();
  await assert.rejects(open(closed.port), (error: Error & { stage?: string }) => {
    assert.match(error.message, /connect: connection refused/);
    assert.equal(error.stage, 'proxy');
    return true;
  });
}

/** To an address that never answers. */
async function isGivenUp(dialer: ProxyDialer): Promise<void> {
  const controller = new AbortController();
  const dial = dialer.dial({ host: '192.0.2.1', port: 9 }, { signal: controller.signal });
  setImmediate(() => controller.abort(new Error('given up')));
  await assert.rejects(dial, { name: 'ProxyDialError' });
}

async function finish(stream: Duplex): Promise<void> {
  if (stream.closed) return;
  const closed = once(stream, 'close');
  stream.destroy();
  await closed;
}
