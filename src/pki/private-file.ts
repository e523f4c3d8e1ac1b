import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError } from '../lib/config-error.ts';

/** The content, or `undefined` where there is no such file. @throws {ConfigError} where it cannot be read */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new ConfigError(`Cannot read ${path}: ${describe(error)}`, { cause: error });
  }
}

/**
 * Writes a file that only its owner may read (0600, its directory 0700), on disk before it gets its name: a crash leaves the old
 * content or the new, never a part.
 */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw new ConfigError(`Cannot write ${path}: ${describe(error)}`, { cause: error });
  }
  await rename(temporary, path);
  await using folder = await open(join(directory, '.'));
  await folder.sync();
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
