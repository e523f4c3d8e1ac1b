import { chmod, mkdir, open, realpath, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Container, HostPathVolumeSource, Pod, Volume, VolumeMount } from '../../api/kubernetes/core-v1.ts';
import { expandVariables } from '../pods/expansion.ts';
import type { Mount } from '../runtimes/runtime.ts';
import { writeAtomically } from './atomic-directory.ts';
import { filesOfVolume, type VolumeContext } from './volume-files.ts';

/** The volumes of one pod, in its directory on the node: `<pod directory>/volumes/<name>`. */
export class PodVolumes {
  readonly #directory: string;

  constructor(podDirectory: string) {
    this.#directory = join(podDirectory, 'volumes');
  }

  /** Makes all volumes, or brings them up to date. @throws {Error} for the `FailedMount` event */
  async prepare(context: VolumeContext): Promise<void> {
    for (const volume of context.pod.spec?.volumes ?? []) {
      try {
        await this.#prepareVolume(volume, context);
      } catch (cause) {
        const { message } = cause as Error;
        throw new Error(`MountVolume.SetUp failed for volume "${volume.name}" : ${message}`, { cause });
      }
    }
  }

  /** The mounts of one container. `subPath`s are made where they are missing. */
  async mounts(pod: Pod, container: Container, env: Readonly<Record<string, string>>): Promise<Mount[]> {
    const mounts: Mount[] = [];
    for (const mount of container.volumeMounts ?? []) {
      const volume = pod.spec?.volumes?.find(({ name }) => name === mount.name);
      if (!volume) throw new Error(`container ${container.name} mounts the unknown volume ${mount.name}`);
      const source = volume.hostPath?.path ?? join(this.#directory, volume.name);
      const subPath = mount.subPathExpr ? expandVariables(mount.subPathExpr, (name) => env[name]) : mount.subPath;
      const hostPath = subPath ? await subPathOf(source, subPath, mount) : source;
      const alwaysReadOnly = Boolean(volume.configMap ?? volume.secret ?? volume.downwardAPI ?? volume.projected);
      mounts.push({ hostPath, containerPath: mount.mountPath, readOnly: Boolean(mount.readOnly) || alwaysReadOnly });
    }
    return mounts;
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 });
  }

  async #prepareVolume(volume: Volume, context: VolumeContext): Promise<void> {
    const path = join(this.#directory, volume.name);
    const files = await filesOfVolume(volume, context);
    if (files) {
      await writeAtomically(path, files);
    } else if (volume.emptyDir) {
      await mkdir(path, { recursive: true });
      await chmod(path, 0o777);
    } else if (volume.hostPath) {
      await prepareHostPath(volume.hostPath);
    } else {
      const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
      throw new Error(`volumes of kind ${kind} are not available on this node`);
    }
  }
}

/** Source: kubelet `pkg/volume/hostpath`. */
async function prepareHostPath({ path, type = '' }: HostPathVolumeSource): Promise<void> {
  if (type === 'DirectoryOrCreate') await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === 'FileOrCreate') await (await open(path, 'a', 0o644)).close();
  const found = await stat(path).catch(() => undefined);
  const fits: Record<string, boolean> = {
    '': found !== undefined,
    DirectoryOrCreate: found?.isDirectory() ?? false,
    Directory: found?.isDirectory() ?? false,
    FileOrCreate: found?.isFile() ?? false,
    File: found?.isFile() ?? false,
    Socket: found?.isSocket() ?? false,
    CharDevice: found?.isCharacterDevice() ?? false,
    BlockDevice: found?.isBlockDevice() ?? false,
  };
  if (!fits[type]) throw new Error(`hostPath type check failed: ${path} is not a ${type || 'path that exists'}`);
}

/** A path below a volume, made where it is missing. Links that lead out of the volume are refused. */
async function subPathOf(source: string, subPath: string, { name }: VolumeMount): Promise<string> {
  const path = join(source, subPath);
  if (subPath.startsWith('/') || subPath.split('/').includes('..'))
    throw new Error(`subPath ${subPath} is not allowed`);
  if (!(await stat(path).catch(() => undefined))) await mkdir(path, { recursive: true });
  const [root, real] = await Promise.all([realpath(source), realpath(path)]);
  const inside = relative(root, real);
  if (inside.startsWith('..')) throw new Error(`subPath ${subPath} leads out of the volume ${name}`);
  return real;
}
