import { execFile } from 'node:child_process';

/** How far a container is kept apart from the host. */
export interface Isolation {
  /** `root`: own root, mounts and PID namespace. `plain`: a process of the host. */
  readonly mode: 'root' | 'plain';
  /** For the operator: why it is so. */
  readonly reason: string;
  /** Whether containers with `tty: true` can have one that outlives the agent (`script` of util-linux). */
  readonly terminals: boolean;
}

/** The environment of helper programs: nothing of the agent's own leaks into a container. */
export const helperEnvironment = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LANG: 'C.UTF-8',
};

export const unshareArguments = ['--user', '--map-root-user', '--mount', '--uts', '--pid', '--fork', '--kill-child'];

/** What a helper program is run with, so that it sees a pod's network. It comes first: a namespace of users that is entered later has no right to. */
export function enterNetwork(namespace: string | undefined): string[] {
  return namespace === undefined ? [] : ['nsenter', `--net=${namespace}`, '--'];
}

const trial =
  'mount -t tmpfs t /mnt && mkdir /mnt/p && mount -t proc p /mnt/p && type -P pivot_root nsenter mkfifo >/dev/null';

/** Tries what a private root needs, in a namespace of its own. Takes about 20 ms and leaves nothing behind. */
export async function probeIsolation(): Promise<Isolation> {
  const [root, terminals] = await Promise.all([
    run('unshare', [...unshareArguments, 'bash', '-p', '-c', trial]),
    run('script', ['-qefc', 'true', '/dev/null']),
  ]);
  return root === undefined
    ? {
        mode: 'root',
        reason: 'user namespaces work: each container has its own root',
        terminals: terminals === undefined,
      }
    : {
        mode: 'plain',
        reason: `no user namespaces (${root}): containers see the host's root, volumes are under $FAIRLEAD_ROOT`,
        terminals: terminals === undefined,
      };
}

/** `undefined` when the program succeeded, otherwise its last line of errors. */
function run(file: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { env: helperEnvironment, timeout: 10_000 }, (error, _stdout, stderr) => {
      if (!error) resolve(undefined);
      else resolve(stderr.trim().split('\n').at(-1) || error.message.trim());
    });
    child.stdin?.end();
  });
}
