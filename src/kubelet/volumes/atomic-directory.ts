import { chmod, lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface VolumeFile {
  readonly content: Uint8Array;
  readonly mode: number;
}

/**
 * Writes the files of a volume so that a reader sees all of the old ones or all of the new ones.
 *
 *     volume/token          → ..data/token
 *     volume/..data         → ..2026_01_02_03_04_05.123
 *     volume/..2026_…/token
 *
 * Nothing is written when nothing has changed. Source: kubelet `pkg/volume/util/atomic_writer.go`.
 */
export async function writeAtomically(directory: string, files: ReadonlyMap<string, VolumeFile>): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const dataLink = join(directory, '..data');
  const old = await readlink(dataLink).catch(() => undefined);
  if (old !== undefined && (await isSame(join(directory, old), files))) return false;
  const stamp = `..${new Date().toISOString().replace(/[-T:]/g, '_').slice(0, -1)}${Math.random().toString(36).slice(2, 6)}`;
  for (const [path, { content, mode }] of files) {
    const target = join(directory, stamp, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, content, { mode });
    await chmod(target, mode); // the umask may have taken bits away
  }
  await mkdir(join(directory, stamp), { recursive: true });
  await symlink(stamp, `${dataLink}_tmp`);
  await rename(`${dataLink}_tmp`, dataLink);
  const tops = new Set([...files.keys()].map((path) => path.split('/')[0] ?? ''));
  for (const top of tops) {
    const link = join(directory, top);
    if (!(await lstat(link).catch(() => undefined))) await symlink(join('..data', top), link);
  }
  for (const name of await readdir(directory)) {
    if (!name.startsWith('..') && !tops.has(name)) await rm(join(directory, name), { force: true });
  }
  if (old !== undefined) await rm(join(directory, old), { recursive: true, force: true });
  return true;
}

async function isSame(directory: string, files: ReadonlyMap<string, VolumeFile>): Promise<boolean> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => undefined);
  if (names?.filter((entry) => entry.isFile()).length !== files.size) return false;
  for (const [path, { content, mode }] of files) {
    const target = join(directory, path);
    const present = await readFile(target).catch(() => undefined);
    if (!present?.equals(content) || ((await lstat(target)).mode & 0o777) !== mode) return false;
  }
  return true;
}
