import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { spdy, webSocket } from './kubectl.ts';
import { describeWithKubectls, podManifest, shellContainer, sleeper } from './with-cluster.ts';

const echoer = 'while read line; do echo "got $line"; done; echo over';

describeWithKubectls('exec, attach, run and debug', (fixture) => {
  before(async () => {
    const { kubectl } = fixture;
    await kubectl.apply(
      podManifest('shell', [shellContainer('c', sleeper), shellContainer('other', sleeper)]),
      podManifest('echo-spdy', [shellContainer('c', echoer, { stdin: true, stdinOnce: true })], {
        restartPolicy: 'Never',
      }),
      podManifest('echo-websocket', [shellContainer('c', echoer, { stdin: true, stdinOnce: true })], {
        restartPolicy: 'Never',
      }),
      podManifest('terminal', [shellContainer('c', 'stty size; read line; exit 4', { stdin: true, tty: true })], {
        restartPolicy: 'Never',
      }),
    );
    await kubectl.run(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
  });

  for (const [protocol, env] of [['WebSocket', webSocket] as const, ['SPDY', spdy] as const]) {
    test(`exec gives output, errors and exit codes, and takes input, over ${protocol}`, async () => {
      const { kubectl } = fixture;
      assert.equal(await kubectl.text(['exec', 'shell', '--', 'echo', 'hello'], { env }), 'hello');
      const script = ['sh', '-c', 'echo out; echo err >&2; exit 7'];
      const failed = await kubectl.run(['exec', 'shell', '-c', 'other', '--', ...script], { code: 7, env });
      assert.equal(failed.stdout, 'out\n');
      assert.match(failed.stderr, /^err\n[\s\S]*command terminated with exit code 7/m);
      const big = randomBytes(3_000_000).toString('base64');
      assert.equal((await kubectl.run(['exec', '-i', 'shell', '--', 'cat'], { stdin: big, env })).stdout, big);
      const absent = await kubectl.run(['exec', 'shell', '--', 'no-such-command'], { code: 'any', env });
      assert.notEqual(absent.code, 0);
      assert.match(absent.stderr, /no-such-command/);
      const nobody = await kubectl.run(['exec', 'shell', '-c', 'absent', '--', 'true'], { code: 1, env });
      assert.match(nobody.stderr, /container absent (not found in|is not valid for) pod shell/);
    });

    test(`exec -it is a terminal that follows the size of the window, over ${protocol}`, async () => {
      const { kubectl } = fixture;
      using terminal = kubectl.startTerminal(['exec', '-it', 'shell', '-c', 'c', '--', 'sh'], env);
      terminal.type('stty size\r');
      await terminal.printed(/31 91/);
      // The size travels beside the input: the shell looks until it has come.
      terminal.type('until stty size | grep -q "22 77"; do sleep 0.1; done; echo RE""SIZED\r');
      terminal.resize(77, 22);
      await terminal.printed(/RESIZED/);
      // The terminal makes a signal of it inside the container, and drops what has been typed before.
      terminal.type(`(trap 'echo INTER""RUPTED; exit' INT; echo SLEEP""ING; sleep 1000)\r`);
      await terminal.printed(/SLEEPING/);
      terminal.type('\x03');
      await terminal.printed(/INTERRUPTED[\s\S]*[#$] $/); // the next prompt
      terminal.type('exit 3\r');
      assert.equal(await terminal.ended, 3);
    });

    test(`attach joins the running process and ends with it, over ${protocol}`, async () => {
      const { kubectl } = fixture;
      const name = `echo-${protocol.toLowerCase()}`;
      using attach = kubectl.start(['attach', '-i', name], env);
      attach.child.stdin.write('ping\n');
      await attach.printed(/got ping/);
      // Nothing more comes in: with stdinOnce that is the process's end of file.
      attach.child.stdin.end();
      await attach.printed(/over/);
      assert.equal(await attach.ended, 0);
      await kubectl.run(['wait', `pod/${name}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=30s']);
    });
  }

  test('attach -it joins the terminal of a container that has one', async () => {
    const { kubectl } = fixture;
    using attached = kubectl.startTerminal(['attach', '-it', 'terminal']);
    await attached.printed(/press (enter|ENTER)|try pressing enter|All commands and output/i);
    attached.type('\r');
    await attached.ended;
    const code = '--for=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}=4';
    await kubectl.run(['wait', 'pod/terminal', code, '--timeout=30s']);
  });

  test('run --rm -i passes its input through and leaves no pod behind', async () => {
    const { kubectl } = fixture;
    const args = ['run', 'once', '--image=busybox', '--rm', '-i', '--restart=Never', '--command', '--'];
    assert.match((await kubectl.run([...args, 'cat'], { stdin: 'piped\n' })).stdout, /piped\n/);
    await kubectl.run(['get', 'pod', 'once'], { code: 1 });
    await kubectl.run([...args, 'sh', '-c', 'cat; exit 5'], { stdin: 'piped\n', code: 5 });
    await kubectl.run(['get', 'pod', 'once'], { code: 1 });
  });

  test('run --rm -it is a terminal', async () => {
    const { kubectl } = fixture;
    const args = ['run', 'typed', '--image=busybox', '--rm', '-it', '--restart=Never', '--command', '--', 'sh'];
    using terminal = kubectl.startTerminal(args);
    await terminal.printed(/try pressing enter|All commands and output/i);
    terminal.type('\r');
    terminal.type('tty && echo IN""SIDE\r');
    await terminal.printed(/INSIDE/);
    terminal.type('exit 0\r');
    assert.equal(await terminal.ended, 0);
    await kubectl.run(['get', 'pod', 'typed'], { code: 1 });
  });

  test('debug adds an ephemeral container beside the others', async () => {
    const { kubectl } = fixture;
    const script = ['sh', '-c', 'read line; echo "inside $line"'];
    const flags = ['--image=busybox', '--target=c', '-i', '-c', 'probe'];
    using debug = kubectl.start(['debug', 'shell', ...flags, '--', ...script]);
    const started = '--for=jsonpath={.status.ephemeralContainerStatuses[0].state.running.startedAt}';
    await kubectl.run(['wait', 'pod/shell', started, '--timeout=30s']);
    debug.child.stdin.end('again\n');
    await debug.printed(/inside again/);
    assert.equal(await debug.ended, 0);
    assert.match(await kubectl.text(['logs', 'shell', '-c', 'probe']), /inside again/);
    assert.match(await kubectl.text(['describe', 'pod', 'shell']), /Ephemeral Containers:\n +probe:/);
    const running = '{.status.containerStatuses[*].state.running.startedAt}';
    const times = await kubectl.text(['get', 'pod', 'shell', '-o', `jsonpath=${running}`]);
    assert.equal(times.split(' ').length, 2);
  });
});
