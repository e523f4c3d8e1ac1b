import { access, mkdir, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { ConfigError } from '../lib/config-error.ts';
import { formatYaml } from '../lib/yaml.ts';
import {
  clusterOf,
  contextOf,
  type Environment,
  type Kubeconfig,
  type KubeconfigEntry,
  kubeconfigPaths,
  parseKubeconfig,
  userOf,
} from './kubeconfig.ts';

const lockWaitMs = 5_000;
const lockPollMs = 50;

/** The file that is changed, as kubectl chooses it: the first of the list that exists, else the last. */
export async function writtenKubeconfig(env: Environment, explicit?: string): Promise<string> {
  const paths = kubeconfigPaths(env, explicit);
  for (const path of paths) if (await exists(path)) return path;
  return paths.at(-1) ?? '';
}

/** Puts our entry into the file and leaves all others as they are. `switchContext` makes it the current one. */
export async function mergeIntoKubeconfig(
  file: string,
  entry: KubeconfigEntry,
  { switchContext = true }: { switchContext?: boolean } = {},
): Promise<void> {
  const { name } = entry;
  await changeKubeconfig(file, (config) => {
    config.apiVersion ??= 'v1';
    config.kind ??= 'Config';
    config.clusters = [...without(config.clusters, name), { name, cluster: clusterOf(entry) }];
    config.users = [...without(config.users, name), { name, user: userOf(entry) }];
    config.contexts = [...without(config.contexts, name), { name, context: contextOf(entry) }];
    if (switchContext || !config['current-context']) config['current-context'] = name;
    return true;
  });
}

/** Takes the entries called `name` out of the file. Gives false where there was none. */
export async function removeFromKubeconfig(file: string, name: string): Promise<boolean> {
  if (!(await exists(file))) return false;
  let found = false;
  await changeKubeconfig(file, (config) => {
    found = [config.clusters, config.users, config.contexts].some((list) => list?.some((entry) => entry.name === name));
    if (!found) return false;
    config.clusters = without(config.clusters, name);
    config.users = without(config.users, name);
    config.contexts = without(config.contexts, name);
    if (config['current-context'] === name) config['current-context'] = '';
    return true;
  });
  return found;
}

/** Reads, changes and replaces the file in one rename, under the lock that kubectl takes too. `change` gives false to leave it. */
async function changeKubeconfig(file: string, change: (config: Kubeconfig) => boolean): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const target = (await exists(file)) ? await realpath(file) : file; // A symbolic link stays one.
  await using _lock = await openLock(`${target}.lock`);
  const text = (await exists(target)) ? await readFile(target, 'utf8') : '';
  const config = parseKubeconfig(text, target);
  if (!change(config)) return;
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(formatYaml(config));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function openLock(path: string): Promise<AsyncDisposable> {
  for (let waitedMs = 0; ; waitedMs += lockPollMs) {
    try {
      const handle = await open(path, 'wx', 0o600);
      await handle.writeFile(String(process.pid));
      await handle.close();
      return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (await isLeftOver(path)) await rm(path, { force: true });
      else if (waitedMs >= lockWaitMs) {
        throw new ConfigError(
          `Cannot lock the kubeconfig: ${path} exists; delete it if no other program changes the file`,
        );
      } else await wait(lockPollMs);
    }
  }
}

/** Ours names the process that made it; kubectl's is empty and is never taken away. */
async function isLeftOver(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = /^\d+$/.test(text) ? Number(text) : undefined;
  if (pid === undefined || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function without<E extends { name: string }>(list: E[] | null | undefined, name: string): E[] {
  return (list ?? []).filter((entry) => entry.name !== name);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return (await stat(path)).isFile();
  } catch {
    return false; // Whoever opens it next gets the reason.
  }
}
