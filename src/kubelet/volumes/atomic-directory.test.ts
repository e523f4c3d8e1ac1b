import assert from 'node:assert/strict';
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeAtomically } from './atomic-directory.ts';

test('files are swapped as one, kept when nothing has changed, and have their modes', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'fairlead-volume-'));
  const files = (entries: Record<string, string>) =>
    new Map(Object.entries(entries).map(([path, text]) => [path, { content: Buffer.from(text), mode: 0o600 }]));
  try {
    assert.equal(await writeAtomically(directory, files({ token: '1', 'sub/a': 'x' })), true);
    const first = await readlink(join(directory, '..data'));
    assert.equal(await writeAtomically(directory, files({ token: '1', 'sub/a': 'x' })), false);
    assert.equal(await readlink(join(directory, '..data')), first);
    assert.equal(await writeAtomically(directory, files({ token: '2' })), true);
    assert.equal(await readFile(join(directory, 'token'), 'utf8'), '2');
    assert.equal((await lstat(join(directory, '..data', 'token'))).mode & 0o777, 0o600);
    assert.deepEqual(
      (await readdir(directory)).filter((name) => !name.startsWith('..')),
      ['token'],
    );
    assert.equal((await readdir(directory)).includes(first), false);
  } finally {
    await rm(directory, { recursive: true });
  }
});
