import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, createReadStream, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { type Kubectl, spdy, webSocket } from './kubectl.ts';
import type { RunningCommand } from './running-command.ts';
import { describeWithKubectls, podManifest, shellContainer, sleeper } from './with-cluster.ts';

const parallelConnections = 20;
const long = process.env['CI'] === 'true' || process.env['FAIRLEAD_LONG'] === '1';

describeWithKubectls('port-forward and cp', (fixture) => {
  before(async () => {
    const { kubectl } = fixture;
    await kubectl.apply(
      podManifest('served', [{ name: 'c', image: 'fairlead/demo', ports: [{ containerPort: 8080 }] }]),
      podManifest('boxed', [shellContainer('c', sleeper, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })], {
        volumes: [{ name: 'v', emptyDir: {} }],
      }),
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
  });

  for (const [protocol, env] of [['WebSocket', webSocket] as const, ['SPDY', spdy] as const]) {
    test(`port-forward carries many connections at a time over ${protocol}`, async () => {
      const { kubectl } = fixture;
      const { forward, port } = await forwardTo(kubectl, 'pod/served', env);
      const answers = await Promise.all(Array.from({ length: parallelConnections }, () => fetchText(port)));
      for (const answer of answers) assert.match(answer, /^HTTP\/1\.[01] 200/);
      // A client that breaks off ends only itself.
      const broken = connect({ host: '127.0.0.1', port });
      broken.write('GET / HTTP/1.1\r\nHost: x\r\n');
      broken.once('connect', () => broken.resetAndDestroy());
      await once(broken, 'close');
      assert.match(await fetchText(port), /^HTTP\/1\.[01] 200/);
      await forward.interrupt();
    });

    test(`cp takes files and folders both ways over ${protocol}`, async () => {
      const { kubectl } = fixture;
      const source = kubectl.file('source', randomBytes(1_000_000));
      await kubectl.run(['cp', source, 'boxed:/v/there'], { env });
      await kubectl.run(['cp', 'boxed:/v/there', 'back'], { env });
      assert.equal(await hashOf(join(kubectl.scratch, 'back')), await hashOf(source));

      const folder = join(kubectl.scratch, 'folder');
      mkdirSync(join(folder, 'inner'), { recursive: true });
      writeFileSync(join(folder, 'inner', 'file name.txt'), protocol);
      await kubectl.run(['cp', folder, 'boxed:/v'], { env });
      const name = '/v/folder/inner/file name.txt';
      assert.equal(await kubectl.text(['exec', 'boxed', '--', 'cat', name], { env }), protocol);
      await kubectl.run(['cp', 'boxed:/v/folder', `folder-${protocol}`], { env });
      const copied = join(kubectl.scratch, `folder-${protocol}`, 'inner', 'file name.txt');
      assert.equal(readFileSync(copied, 'utf8'), protocol);
    });
  }

  test('port-forward to a service reaches its pod, and a port that nobody serves is an error that says so', async () => {
    const { kubectl } = fixture;
    await kubectl.run(['expose', 'pod', 'served', '--port=80', '--target-port=8080']);
    const service = await forwardTo(kubectl, 'service/served', {}, ':80');
    assert.match(await fetchText(service.port), /^HTTP\/1\.[01] 200/);
    await service.forward.interrupt();
    const closed = await forwardTo(kubectl, 'pod/served', {}, ':9');
    assert.equal(await fetchText(closed.port), '');
    await closed.forward.complained(/forwarding port 9 to pod.*refused/i);
    assert.equal(await closed.forward.ended, 1);
  });

  test('cp of 1 GB matches its hash', {
    timeout: 600_000,
    skip: long ? false : 'takes minutes: set FAIRLEAD_LONG=1 (CI does)',
  }, async (t) => {
    const { kubectl } = fixture;
    if (kubectl.binary.minor !== 36) return t.skip('one version is enough for the bytes');
    const source = join(kubectl.scratch, 'large');
    const hash = writeRandom(source, 1024);
    await kubectl.run(['cp', source, 'boxed:/v/large'], { timeoutMs: 280_000 });
    await kubectl.run(['cp', 'boxed:/v/large', 'large-back'], { timeoutMs: 280_000 });
    assert.equal(await hashOf(join(kubectl.scratch, 'large-back')), hash);
  });
});

async function forwardTo(
  kubectl: Kubectl,
  target: string,
  env: Readonly<Record<string, string>>,
  ports = ':8080',
): Promise<{ forward: RunningCommand; port: number }> {
  const forward = kubectl.start(['port-forward', target, ports], env);
  const printed = await forward.printed(/Forwarding from 127\.0\.0\.1:\d+ -> \d+\n/);
  return { forward, port: Number(/127\.0\.0\.1:(\d+) ->/.exec(printed)?.[1]) };
}

/** All that comes back for one request; empty when the connection is closed without an answer. */
async function fetchText(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write('GET / HTTP/1.0\r\n\r\n');
  let text = '';
  try {
    for await (const chunk of socket) text += String(chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  }
  return text;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Writes megabytes that do not compress, and gives their hash. */
function writeRandom(path: string, megabytes: number): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let written = 0; written < megabytes; written++) {
    const block = randomBytes(1024 * 1024);
    hash.update(block);
    writeSync(file, block);
  }
  closeSync(file);
  return hash.digest('hex');
}
