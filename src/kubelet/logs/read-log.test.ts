import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ContainerLog } from '../runtimes/process/container-log.ts';
import { type ReadLogOptions, readLog } from './read-log.ts';

const plain: Omit<ReadLogOptions, 'signal'> = {
  sinceMs: undefined,
  timestamps: false,
  tailLines: undefined,
  limitBytes: undefined,
  follow: false,
  ended: () => true,
};

test('lines come back as they were written, long ones and unfinished ones included', async () => {
  await using bed = await openBed();
  const long = 'x'.repeat(40_000);
  await bed.log.append('stdout', Buffer.from(`one\n${long}\nlast`));
  await bed.log[Symbol.asyncDispose]();
  assert.equal(await bed.read({}), `one\n${long}\nlast\n`);
  const stamped = await bed.read({ timestamps: true });
  assert.match(stamped, /^\S+Z one\n\S+Z x{40000}\n\S+Z last\n$/);
});

test('tail, since and limit cut as the kubelet does', async () => {
  await using bed = await openBed();
  await bed.log.append('stdout', Buffer.from('a\nb\nc\n'));
  assert.equal(await bed.read({ tailLines: 2 }), 'b\nc\n');
  assert.equal(await bed.read({ tailLines: 0 }), '');
  assert.equal(await bed.read({ tailLines: 9 }), 'a\nb\nc\n');
  assert.equal(await bed.read({ limitBytes: 3 }), 'a\nb');
  assert.equal(await bed.read({ sinceMs: Date.now() + 60_000 }), '');
  assert.equal(await bed.read({ sinceMs: Date.now() - 60_000 }), 'a\nb\nc\n');
});

test('following goes over a rotation and ends with the container', async () => {
  await using bed = await openBed({ maxBytes: 100, maxFiles: 3 });
  let over = false;
  await bed.log.append('stdout', Buffer.from('first\n'));
  const lines: string[] = [];
  const followed = (async () => {
    for await (const chunk of readLog(bed.log.path, {
      ...plain,
      follow: true,
      ended: () => over,
      signal: bed.signal,
    })) {
      lines.push(...chunk.toString().split('\n').filter(Boolean));
      if (lines.at(-1) === 'line 9') over = true;
      const next = lines.length === 1 ? 0 : Number(lines.at(-1)?.slice(5)) + 1;
      if (next <= 9) await bed.log.append('stdout', Buffer.from(`line ${next}\n`));
    }
  })();
  await followed;
  assert.deepEqual(lines, ['first', ...Array.from({ length: 10 }, (_, index) => `line ${index}`)]);
  assert.equal((await readdir(bed.directory)).length, 3);
});

async function openBed(limits: { maxBytes?: number; maxFiles?: number } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-log-'));
  const log = new ContainerLog(join(directory, '0.log'), limits);
  const { signal } = new AbortController();
  return {
    directory,
    log,
    signal,
    async read(options: Partial<ReadLogOptions>): Promise<string> {
      const chunks: Buffer[] = [];
      for await (const chunk of readLog(log.path, { ...plain, signal, ...options })) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    },
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    },
  };
}
