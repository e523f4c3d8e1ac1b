import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { exitCodeOf, exitStatus, internalErrorStatus, successStatus } from './command-status.ts';
import type { RemoteCommand } from './remote-command.ts';
import { type OpenCommandOptions, openRemoteCommand, type RemoteCommandClient } from './remote-command-client.ts';
import { acceptRemoteCommand } from './remote-command-server.ts';
import { listenUpgrades, type UpgradeServer } from './upgrade-server-suite.ts';

const variants = [
  { via: 'spdy', protocols: ['v5.channel.k8s.io', 'v4.channel.k8s.io'], chosen: 'v4.channel.k8s.io' },
  { via: 'spdy', protocols: ['v3.channel.k8s.io'], chosen: 'v3.channel.k8s.io' },
  { via: 'spdy', protocols: ['v2.channel.k8s.io'], chosen: 'v2.channel.k8s.io' },
  { via: 'spdy', protocols: ['channel.k8s.io'], chosen: 'channel.k8s.io' },
  { via: 'websocket', protocols: ['v5.channel.k8s.io'], chosen: 'v5.channel.k8s.io' },
  { via: 'websocket', protocols: ['v4.channel.k8s.io'], chosen: 'v4.channel.k8s.io' },
  { via: 'websocket', protocols: ['v4.base64.channel.k8s.io'], chosen: 'v4.base64.channel.k8s.io' },
  { via: 'websocket', protocols: ['base64.channel.k8s.io'], chosen: 'base64.channel.k8s.io' },
  { via: 'websocket', protocols: ['channel.k8s.io'], chosen: 'channel.k8s.io' },
  { via: 'websocket', protocols: [], chosen: '' },
] as const;

/** The stall test watches for silence, so it runs once for each way of framing. */
const measured = new Set<string>(['v4.channel.k8s.io', 'v5.channel.k8s.io', 'v4.base64.channel.k8s.io']);

const all = { stdin: true, stdout: true, stderr: true, tty: false };

for (const { via, protocols, chosen } of variants) {
  const halfClose = via === 'spdy' || chosen.startsWith('v5.');
  const json = chosen.startsWith('v4.') || chosen.startsWith('v5.');
  const resizable = via === 'websocket' || /^v[34]\./.test(chosen);

  describe(`${via} ${chosen || 'without a protocol'}`, () => {
    test('output, errors and the exit code arrive', async () => {
      await using server = await serve(async (command) => {
        command.stdout?.write('out');
        command.stderr?.write('err');
        await command.finish(exitStatus(7));
      });
      await using client = await open(server, { via, protocols });
      assert.equal(client.protocol, chosen);
      const [stdout, stderr, status] = await Promise.all([read(client.stdout), read(client.stderr), client.status]);
      assert.deepEqual([stdout, stderr, status.status], ['out', 'err', 'Failure']);
      assert.equal(exitCodeOf(status), json ? 7 : undefined);
      assert.match(status.message ?? '', /^command terminated with non-zero exit code/);
    });

    test('success is success', async () => {
      await using server = await serve((command) => command.finish(successStatus));
      await using client = await open(server, { via, protocols });
      assert.deepEqual(await client.status, successStatus);
    });

    test('input arrives, and its end where the protocol has one', async () => {
      await using server = await serve(async (command) => {
        let got = '';
        for await (const chunk of command.stdin as Readable) {
          got += String(chunk);
          if (!halfClose && got.endsWith('\n')) break;
        }
        command.stdout?.write(got);
        await command.finish(successStatus);
      });
      await using client = await open(server, { via, protocols });
      client.stdin?.end('hello\n');
      assert.equal(await read(client.stdout), 'hello\n');
    });

    test('no byte of 4 MB is lost to a reader that starts late', async () => {
      const size = 4 * 1024 * 1024;
      await using server = await serve(async (command) => {
        const { stdout } = command;
        assert.ok(stdout);
        for (let sent = 0; sent < size; sent += 32768) {
          if (!stdout.write(Buffer.alloc(32768, sent / 32768))) await once(stdout, 'drain');
        }
        await command.finish(successStatus);
      });
      await using client = await open(server, { via, protocols });
      const { stdout } = client;
      assert.ok(stdout);
      await once(stdout, 'readable');
      let received = 0;
      for await (const chunk of stdout as AsyncIterable<Buffer>) {
        assert.equal(chunk[0], (received / 32768) & 0xff);
        received += chunk.length;
      }
      assert.equal(received, size);
      assert.deepEqual(await client.status, successStatus);
    });

    if (measured.has(chosen)) {
      test('a client that stops reading stops the writer', async () => {
        const chunk = Buffer.alloc(65536);
        const stalled = Promise.withResolvers<number>();
        await using server = await serve(async (command) => {
          const { stdout } = command;
          assert.ok(stdout);
          let written = 0;
          while (written < 512 * 1024 * 1024) {
            written += chunk.length;
            if (stdout.write(chunk)) continue;
            const drained = once(stdout, 'drain').then(() => true);
            // A writer that waits while nothing moves on the loopback for this long is stopped.
            const still = new Promise<false>((resolve) => setTimeout(resolve, 300, false));
            if (!(await Promise.race([drained, still]))) {
              stalled.resolve(written);
              await drained;
              break;
            }
          }
          await command.finish(successStatus);
        });
        await using client = await open(server, { via, protocols });
        const written = await stalled.promise;
        assert.ok(written < 64 * 1024 * 1024, `${written} bytes were taken without a reader`);
        client.stdout?.resume();
        assert.deepEqual(await client.status, successStatus);
      });
    }

    if (resizable) {
      test('a terminal has sizes and no stderr', async () => {
        await using server = await serve(
          async (command) => {
            assert.equal(command.stderr, undefined);
            for await (const { width, height } of command.resizes) {
              command.stdout?.write(`${width}x${height}\n`);
              if (height === 25) break;
            }
            await command.finish(successStatus);
          },
          { tty: true },
        );
        await using client = await open(server, { via, protocols, tty: true });
        client.resize({ width: 80, height: 24 });
        client.resize({ width: 132, height: 25 });
        assert.equal(await read(client.stdout), '80x24\n132x25\n');
      });
    }
  });
}

for (const via of ['spdy', 'websocket'] as const) {
  test(`${via}: what a client sends to a command that takes no more input stalls nothing`, async () => {
    const sent = Promise.withResolvers<void>();
    await using server = await serve(async (command) => {
      command.stdin?.destroy();
      await sent.promise;
      command.stdout?.write('still here');
      await command.finish(successStatus);
    });
    await using client = await open(server, { via });
    const { stdin } = client;
    assert.ok(stdin);
    const zeros = Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(65536)));
    // Over SPDY the client is told and sees a closed pipe; over WebSocket nothing can tell it.
    await pipeline(zeros, stdin).catch((error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'ERR_STREAM_PREMATURE_CLOSE');
    });
    sent.resolve();
    assert.equal(await read(client.stdout), 'still here');
  });

  test(`${via}: a client that goes away aborts the command`, async () => {
    const aborted = Promise.withResolvers<void>();
    await using server = await serve(async (command) => {
      command.closed.addEventListener('abort', () => aborted.resolve());
    });
    const client = await open(server, { via });
    server.sockets.at(-1)?.destroy();
    await aborted.promise;
    await assert.rejects(client.status);
  });

  test(`${via}: finishing after the client has gone is no error`, async () => {
    const finished = Promise.withResolvers<void>();
    await using server = await serve(async (command) => {
      if (!command.closed.aborted) await once(command.closed, 'abort');
      await command.finish(internalErrorStatus('too late'));
      finished.resolve();
    });
    const client = await open(server, { via });
    await client[Symbol.asyncDispose]();
    await finished.promise;
    assert.deepEqual(server.errors, []);
  });
}

interface TestServer extends UpgradeServer {
  readonly signal: AbortSignal;
}

async function serve(
  run: (command: RemoteCommand) => Promise<void>,
  streams: { tty?: boolean } = {},
): Promise<TestServer> {
  const end = new AbortController();
  const server = await listenUpgrades(async (upgrade) => {
    await run(await acceptRemoteCommand(upgrade, { ...all, ...streams, signal: end.signal }));
  });
  return { ...server, signal: end.signal };
}

async function open(server: TestServer, options: Partial<OpenCommandOptions>): Promise<RemoteCommandClient> {
  const transport = await server.dial();
  return openRemoteCommand(transport, {
    via: 'spdy',
    host: server.host,
    path: '/exec',
    ...all,
    signal: server.signal,
    ...options,
  });
}

async function read(stream: Readable | undefined): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}
