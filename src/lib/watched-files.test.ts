import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from './log.ts';
import { WatchedFiles } from './watched-files.ts';

async function openFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'fairlead-files-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

const parse = ([text = '']: readonly string[]) => {
  if (text.startsWith('bad')) throw new Error(`bad text ${text}`);
  return text;
};

test('a replaced file is read without being asked for', async () => {
  await using folder = await openFolder();
  const path = join(folder.path, 'a');
  await writeFile(path, 'one');
  await using files = await WatchedFiles.open({ paths: [path], parse, log: silentLogger });
  const changed = new Promise<string>((resolve) => files.subscribe(resolve));
  await writeFile(`${path}.new`, 'two');
  await rename(`${path}.new`, path);
  assert.equal(await changed, 'two');
  assert.equal(files.value, 'two');
});

test('a file behind a folder that is a link, as in a mounted Secret, is followed', async () => {
  await using folder = await openFolder();
  const at = (name: string) => join(folder.path, name);
  await writeFile(at('v1'), 'one');
  await writeFile(at('v2'), 'two');
  await symlink('v1', at('current'));
  await using files = await WatchedFiles.open({ paths: [at('current')], parse, log: silentLogger });
  const changed = new Promise<string>((resolve) => files.subscribe(resolve));
  await symlink('v2', at('next'));
  await rename(at('next'), at('current'));
  assert.equal(await changed, 'two');
});

test('a bad or missing file is logged once and the value before is kept', async () => {
  await using folder = await openFolder();
  const path = join(folder.path, 'a');
  await writeFile(path, 'one');
  const errors: unknown[] = [];
  const log = {
    ...silentLogger,
    error: (_: string, fields?: Readonly<Record<string, unknown>>) => errors.push(fields),
  };
  await using files = await WatchedFiles.open({ paths: [path], parse, log });
  await writeFile(path, 'bad');
  for (let round = 0; round < 3; round++) await files.refresh();
  assert.equal(files.value, 'one');
  assert.equal(errors.length, 1);
  await rm(path);
  await files.refresh();
  assert.equal(files.value, 'one');
  assert.equal(errors.length, 2);
  await writeFile(path, 'three');
  await files.refresh();
  assert.equal(files.value, 'three');
});
