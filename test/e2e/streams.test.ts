import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { spawn as spawnTerminal } from '@lydell/node-pty';
import { untilPrinted } from './kubectl.ts';
import { describeWithKubectls, podManifest, shellContainer, sleeper } from './with-cluster.ts';

describeWithKubectls('streams', (fixture) => {
  async function runPod(name: string, containers: readonly object[], spec: object = {}): Promise<void> {
    await fixture.kubectl.apply(podManifest(name, containers, spec));
    await fixture.kubectl.run(['wait', '--for=condition=Ready', `pod/${name}`, '--timeout=60s']);
  }

  test('exec gives output, errors, exit codes and takes input', async () => {
    const { kubectl } = fixture;
    await runPod('exec', [shellContainer('c', sleeper)]);
    assert.equal(await kubectl.text(['exec', 'exec', '--', 'echo', 'hello']), 'hello');
    const failed = await kubectl.run(['exec', 'exec', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'], { code: 7 });
    assert.equal(failed.stdout, 'out\n');
    assert.match(failed.stderr, /err\n[\s\S]*command terminated with exit code 7/);
    assert.equal(await kubectl.text(['exec', '-i', 'exec', '--', 'cat'], { stdin: 'through\n' }), 'through');
    const big = randomBytes(4_000_000).toString('base64');
    assert.equal((await kubectl.run(['exec', '-i', 'exec', '--', 'cat'], { stdin: big })).stdout, big);
    // SPDY, as older clients speak it.
    const spdy = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' };
    assert.equal(await kubectl.text(['exec', '-i', 'exec', '--', 'cat'], { stdin: 'through\n', env: spdy }), 'through');
    await kubectl.run(['exec', 'exec', '--', 'sh', '-c', 'exit 9'], { code: 9, env: spdy });
    await kubectl.run(['delete', 'pod', 'exec']);
  });

  test('exec -it is a terminal that follows the size of the window', async () => {
    const { kubectl } = fixture;
    await runPod('terminal', [shellContainer('c', sleeper)]);
    const { args, env } = kubectl.invocation(['exec', '-it', 'terminal', '--', 'sh']);
    const terminal = spawnTerminal(kubectl.binary.path, args, { cols: 91, rows: 31, env });
    let text = '';
    const seen = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const listener = terminal.onData((data) => {
          text += data;
          if (!pattern.test(text)) return;
          listener.dispose();
          resolve();
        });
      });
    const ended = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)));
    let next = seen(/31 91/);
    terminal.write('stty size\r');
    await next;
    next = seen(/RESIZED/);
    // The size travels beside the input: the shell looks until it has come.
    terminal.write('until stty size | grep -q "22 77"; do sleep 0.1; done; echo RE""SIZED\r');
    terminal.resize(77, 22);
    await next;
    terminal.write('exit 3\r');
    assert.equal(await ended, 3);
    await kubectl.run(['delete', 'pod', 'terminal']);
  });

  test('logs: all, tail, since, timestamps, previous, followed, of all containers', async () => {
    const { kubectl } = fixture;
    await runPod('logged', [
      shellContainer('one', `echo first; echo second; ${sleeper}`),
      shellContainer('two', `echo other; ${sleeper}`),
    ]);
    assert.equal(await kubectl.text(['logs', 'logged', '-c', 'one']), 'first\nsecond');
    assert.equal(await kubectl.text(['logs', 'logged', '-c', 'one', '--tail=1']), 'second');
    assert.equal(await kubectl.text(['logs', 'logged', '-c', 'one', '--since=1h']), 'first\nsecond');
    assert.match(await kubectl.text(['logs', 'logged', '-c', 'one', '--timestamps']), /^\d{4}-\d\d-\d\dT\S+Z first$/m);
    assert.match(await kubectl.text(['logs', 'logged', '--all-containers', '--prefix']), /\/two\] other/);
    await kubectl.run(['delete', 'pod', 'logged']);

    await kubectl.apply(podManifest('restarted', [shellContainer('c', 'echo run; sleep 1; exit 1')]));
    await kubectl.run([
      'wait',
      'pod/restarted',
      '--for=jsonpath={.status.containerStatuses[0].restartCount}=1',
      '--timeout=60s',
    ]);
    assert.equal(await kubectl.text(['logs', 'restarted', '--previous']), 'run');
    await kubectl.run(['delete', 'pod', 'restarted']);

    await runPod(
      'followed',
      [shellContainer('c', 'while [ ! -e /tmp/go ]; do sleep 0.1; done; echo gone; sleep 0.2', {})],
      {
        restartPolicy: 'Never',
      },
    );
    const follow = kubectl.start(['logs', '-f', 'followed']);
    const end = once(follow, 'close');
    const printed = untilPrinted(follow.stdout, /gone\n/);
    await kubectl.run(['exec', 'followed', '--', 'touch', '/tmp/go']);
    await printed;
    assert.deepEqual(await end, [0, null]);
    await kubectl.run(['delete', 'pod', 'followed']);
  });

  test('attach joins the running process', async () => {
    const { kubectl } = fixture;
    await runPod('attached', [
      shellContainer('c', 'while read line; do echo "got $line"; done', { stdin: true, stdinOnce: true }),
    ]);
    const attach = kubectl.start(['attach', '-i', 'attached']);
    const answered = untilPrinted(attach.stdout, /got ping/);
    attach.stdin.write('ping\n');
    await answered;
    attach.stdin.end();
    await kubectl.run(['delete', 'pod', 'attached']);
  });

  test('run --rm -it ends with the exit code of its pod and leaves none behind', async () => {
    const { kubectl } = fixture;
    const ran = await kubectl.run(
      ['run', 'once', '--image=busybox', '--rm', '-i', '--restart=Never', '--command', '--', 'cat'],
      { stdin: 'piped\n' },
    );
    assert.match(ran.stdout, /piped/);
    await kubectl.run(['get', 'pod', 'once'], { code: 1 });
  });

  test('port-forward carries many connections at a time', async () => {
    const { kubectl } = fixture;
    await runPod('forwarded', [{ name: 'c', image: 'fairlead/demo', ports: [{ containerPort: 8080 }] }]);
    const environments: Record<string, string>[] = [{}, { KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }];
    for (const env of environments) {
      const forward = kubectl.start(['port-forward', 'pod/forwarded', ':8080'], env);
      const [, port] =
        /127\.0\.0\.1:(\d+) ->/.exec(
          await untilPrinted(forward.stdout, /Forwarding from 127\.0\.0\.1:\d+ -> 8080\n/),
        ) ?? [];
      const answers = await Promise.all(Array.from({ length: 10 }, () => fetchText(Number(port))));
      for (const answer of answers) assert.match(answer, /^HTTP\/1\.[01] 200/);
      forward.kill('SIGINT');
      await once(forward, 'close');
    }
    await kubectl.run(['delete', 'pod', 'forwarded']);
  });

  test('cp takes files both ways', async () => {
    const { kubectl } = fixture;
    await runPod('copied', [shellContainer('c', sleeper)]);
    const source = kubectl.file('source', randomBytes(1_000_000));
    await kubectl.run(['cp', source, 'copied:/tmp/there']);
    await kubectl.run(['cp', 'copied:/tmp/there', 'back']);
    assert.equal(await hashOf(`${kubectl.scratch}/back`), await hashOf(source));
    await kubectl.run(['delete', 'pod', 'copied']);
  });

  test('debug adds an ephemeral container that sees the pod', async () => {
    const { kubectl } = fixture;
    await runPod('debugged', [shellContainer('c', sleeper)]);
    const { stdout } = await kubectl.run(
      [
        'debug',
        'debugged',
        '--image=busybox',
        '--target=c',
        '-i',
        '-c',
        'probe',
        '--',
        'sh',
        '-c',
        'sleep 1; echo inside',
      ],
      {
        timeoutMs: 90_000,
      },
    );
    assert.match(stdout, /inside/);
    await kubectl.run(['delete', 'pod', 'debugged']);
  });
});

describeWithKubectls('large copies', (fixture) => {
  test('cp of 1 GB matches its hash', {
    timeout: 600_000,
    skip: process.env['CI'] ? false : 'only in CI: it takes minutes',
  }, async (t) => {
    const { kubectl } = fixture;
    if (kubectl.binary.minor !== 36) return t.skip('one version is enough for the bytes');
    await kubectl.apply(
      podManifest('large', [shellContainer('c', sleeper, { volumeMounts: [{ name: 'v', mountPath: '/v' }] })], {
        volumes: [{ name: 'v', emptyDir: {} }],
      }),
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'pod/large', '--timeout=60s']);
    const source = `${kubectl.scratch}/large`;
    const hash = writeRandom(source, 1024);
    await kubectl.run(['cp', source, 'large:/v/large'], { timeoutMs: 500_000 });
    await kubectl.run(['cp', 'large:/v/large', 'large-back'], { timeoutMs: 500_000 });
    assert.equal(await hashOf(`${kubectl.scratch}/large-back`), hash);
    await kubectl.run(['delete', 'pod', 'large']);
  });
});

async function fetchText(port: number): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write('GET / HTTP/1.0\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
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
