import { lstat, mkdir, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Mount } from '../runtime.ts';

/**
 * The volumes of a container that sees the host's root: a directory (given to it as `$FAIRLEAD_ROOT`) with a link for each mount,
 * so that `/var/run/secrets/x` is found at `$FAIRLEAD_ROOT/var/run/secrets/x`. A mount below another mount is left out.
 */
export async function linkVolumes(
  root: string,
  { mounts, workingDir }: { mounts: readonly Mount[]; workingDir: string },
): Promise<{ root: string; workingDir: string }> {
  await mkdir(root, { recursive: true, mode: 0o755 });
  for (const { hostPath, containerPath } of mounts) {
    const path = join(root, containerPath);
    if (await crossesLink(root, dirname(path))) continue;
    await mkdir(dirname(path), { recursive: true });
    await symlink(hostPath, path);
  }
  const inside = join(root, workingDir || '/');
  for (const candidate of [inside, workingDir]) {
    if (candidate !== '' && (await isDirectory(candidate))) return { root, workingDir: candidate };
  }
  return { root, workingDir: root };
}

async function crossesLink(root: string, path: string): Promise<boolean> {
  for (let at = path; at.length > root.length; at = dirname(at)) {
    const found = await lstat(at).catch(() => undefined);
    if (found?.isSymbolicLink()) return true;
  }
  return false;
}

async function isDirectory(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
