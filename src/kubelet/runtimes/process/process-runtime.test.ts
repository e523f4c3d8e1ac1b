import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Isolation } from './isolation.ts';
import { probeIsolation } from './isolation.ts';
import { exitCode, openBed, output } from './process-bed-suite.ts';

const isolation = await probeIsolation();
const modes: Isolation[] = [
  { mode: 'plain', reason: 'test', terminals: isolation.terminals },
  ...(isolation.mode === 'root' ? [isolation] : []),
];

for (const mode of modes) {
  test(`${mode.mode}: a container runs, its output is logged in CRI's format, and its exit code is kept`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start({ command: ['sh', '-c', 'echo out; echo err >&2; printf part; exit 3'] });
    const ended = await bed.exited(id);
    assert.equal(ended.state.phase === 'exited' && ended.state.exitCode, 3);
    assert.equal(ended.state.phase === 'exited' && ended.state.reason, 'Error');
    const lines = (await readFile(ended.logPath, 'utf8')).trimEnd().split('\n').sort(byContent);
    assert.deepEqual(
      lines.map((line) => line.split(' ').slice(1).join(' ')),
      ['stderr F err', 'stdout F out', 'stdout F part'],
    );
    assert.match(lines[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
  });

  test(`${mode.mode}: environment names that no shell allows, working directory and volumes reach the program`, async () => {
    await using bed = await openBed(mode);
    const volume = join(bed.directory, 'volume');
    await writeFile(volume, 'content');
    const id = await bed.start({
      command: ['bash', '-c', 'env | grep ^data-1; echo $A; cat "$FAIRLEAD_ROOT/etc/app/file"; pwd'],
      env: { 'data-1': 'x', A: 'a b "c"' },
      workingDir: '/tmp',
      mounts: [{ hostPath: volume, containerPath: '/etc/app/file', readOnly: true }],
    });
    const ended = await bed.exited(id);
    assert.equal(await output(ended), 'data-1=x\na b "c"\ncontent/tmp\n');
  });

  test(`${mode.mode}: stop sends the signal, then kills after the grace`, async () => {
    await using bed = await openBed(mode);
    const polite = await bed.start({
      command: ['sh', '-c', 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.05; done'],
    });
    await bed.logged(polite, 'up');
    await bed.runtime.stopContainer(polite, { graceMs: 60_000 });
    assert.equal(exitCode(bed.get(polite)), 7);
    assert.match(await output(bed.get(polite)), /bye/);
    const stubborn = await bed.start({ command: ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.05; done'] });
    await bed.logged(stubborn, 'up');
    await bed.runtime.stopContainer(stubborn, { graceMs: 10 });
    assert.equal(exitCode(bed.get(stubborn)), 137);
  });

  test(`${mode.mode}: an agent that comes back finds what runs, what it missed, and how it ended`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start({
      command: ['sh', '-c', 'echo before; while [ ! -e /tmp/go-$MARK ]; do sleep 0.02; done; echo after; exit 5'],
      env: { MARK: bed.mark },
    });
    const short = await bed.start({ command: ['sh', '-c', 'read line; exit 0'], stdin: true });
    await bed.logged(id, 'before');
    await bed.restart();
    assert.equal(bed.get(id).state.phase, 'running');
    await bed.exec(id, ['touch', `/tmp/go-${bed.mark}`]);
    // The container ends while one agent goes and before the next one comes; its supervisor keeps the rest.
    await bed.leave();
    await bed.recover();
    assert.equal(exitCode(await bed.exited(id)), 5);
    assert.equal(await output(bed.get(id)), 'before\nafter\n');
    assert.equal(bed.get(short).state.phase, 'running');
    await rm(`/tmp/go-${bed.mark}`, { force: true });
  });

  test(`${mode.mode}: exec gives output, input and the exit code, and ends with its client`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start({ command: ['sleep', '1000'], env: { A: 'b' } });
    assert.deepEqual(await bed.exec(id, ['sh', '-c', 'cat; echo $A; echo e >&2; exit 9'], 'input\n'), {
      code: 9,
      out: 'input\nb\n',
      err: 'e\n',
    });
    assert.deepEqual(await bed.exec(id, ['sh', '-c', 'echo a > /dev/stdout; echo b > /dev/stderr; cat'], 'c'), {
      code: 0,
      out: 'a\nc',
      err: 'b\n',
    });
    assert.equal((await bed.exec(id, ['no-such-program'])).code, 127);
    const controller = new AbortController();
    const running = bed.runtime.exec(id, { command: ['sleep', '1000'], tty: false, signal: controller.signal });
    controller.abort();
    assert.equal(await running, 137);
  });

  test(`${mode.mode}: a program that is missing is a start error with code 128`, async () => {
    await using bed = await openBed(mode);
    const failed = bed.start({ command: ['no-such-program'] });
    await assert.rejects(failed, {
      name: 'RuntimeError',
      reason: 'StartError',
      message: /"no-such-program": executable file not found/,
    });
    const [instance] = bed.runtime.listContainers();
    assert.equal(exitCode(await bed.exited(instance?.id ?? '')), 128);
  });

  test(`${mode.mode}: attach carries both ways and half-close ends a container's stdin when it is read once`, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start({ command: ['cat'], stdin: true, stdinOnce: true });
    const stdout = new PassThrough();
    const signal = new AbortController().signal;
    const attached = bed.runtime.attach(id, { stdin: Readable.from([Buffer.from('hello')]), stdout, signal });
    assert.equal(await text(stdout), 'hello');
    await attached;
    assert.equal(exitCode(await bed.exited(id)), 0);
  });

  test(`${mode.mode}: a terminal for exec and for the container itself`, { skip: !mode.terminals }, async () => {
    await using bed = await openBed(mode);
    const id = await bed.start({ command: ['sh', '-c', 'test -t 0 && test -t 1 && echo yes'], tty: true });
    assert.equal((await output(await bed.exited(id))).trim(), 'yes');
    const other = await bed.start({ command: ['sleep', '1000'] });
    const stdout = new PassThrough();
    const sizes = (async function* () {
      yield { width: 99, height: 33 };
    })();
    const code = bed.runtime.exec(other, {
      command: ['sh', '-c', 'read x; stty size; exit 4'],
      tty: true,
      stdin: Readable.from([Buffer.from('\n')]),
      stdout,
      resizes: sizes,
      signal: new AbortController().signal,
    });
    assert.match(await text(stdout), /33 99/);
    assert.equal(await code, 4);
  });
}

test('a private root has its own processes and files, and nothing of the host is written', {
  skip: isolation.mode !== 'root',
}, async () => {
  await using bed = await openBed(isolation);
  const id = await bed.start({
    command: ['sh', '-c', 'echo $$ > /etc/mine; cat /etc/mine; hostname; ls /proc | grep -c "^[0-9]"; sleep 1000'],
  });
  await bed.logged(id, 'web-0');
  assert.equal((await bed.exec(id, ['cat', '/etc/mine'])).code, 0);
  await assert.rejects(readFile('/etc/mine'), { code: 'ENOENT' });
});

test("a container with a target sees the target's processes and files, and ends without ending them", {
  skip: isolation.mode !== 'root',
}, async () => {
  await using bed = await openBed(isolation);
  const target = await bed.start({ command: ['sh', '-c', 'echo mine > /etc/mine; echo up; exec sleep 1234'] });
  await bed.logged(target, 'up');
  const look =
    'cat /proc/1/root/etc/mine; cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -o "[s]leep 1234"; test -e /etc/mine';
  const debug = await bed.start({ command: ['bash', '-c', look], targetContainerId: target });
  assert.equal(exitCode(await bed.exited(debug)), 1);
  assert.equal(await output(bed.get(debug)), 'mine\nsleep 1234\n');
  assert.equal(bed.get(target).state.phase, 'running');
  const second = await bed.start({ command: ['sleep', '1000'], targetContainerId: target });
  assert.equal((await bed.exec(second, ['sh', '-c', 'kill -0 1 && cat /proc/1/root/etc/mine'])).out, 'mine\n');
  await bed.runtime.stopContainer(second, { graceMs: 0 });
  assert.equal(bed.get(target).state.phase, 'running');
});

test('an unknown image without a command says what to do', async () => {
  await using bed = await openBed({ mode: 'plain', reason: '', terminals: false });
  const pulled = bed.runtime.pullImage({ image: 'nginx:1.27', pullPolicy: 'Always', hasCommand: false });
  await assert.rejects(pulled, { reason: 'ErrImagePull', message: /--process-image nginx=\/path\/to\/program/ });
  await assert.rejects(bed.runtime.pullImage({ image: 'A B', pullPolicy: '', hasCommand: true }), {
    reason: 'InvalidImageName',
  });
});

test('a port in the pod is reached at its address', async () => {
  await using bed = await openBed({ mode: 'plain', reason: '', terminals: false });
  const server = createServer((socket) => socket.end('hi')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const stream = await bed.runtime.openPort(bed.sandboxId, address.port, { signal: new AbortController().signal });
  assert.equal(await text(stream), 'hi');
  stream.end();
  await new Promise((resolve) => server.close(resolve));
  const refused = bed.runtime.openPort(bed.sandboxId, address.port, { signal: new AbortController().signal });
  await assert.rejects(refused, { name: 'RuntimeError', reason: 'NotFound' });
});

function byContent(a: string, b: string): number {
  return a.slice(31).localeCompare(b.slice(31));
}
