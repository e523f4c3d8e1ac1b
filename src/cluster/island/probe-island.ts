import { execFile } from 'node:child_process';
import { helperEnvironment } from '../../kubelet/runtimes/process/isolation.ts';

export type IslandProbe = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** The namespaces of an island; an ordinary user may make them where the kernel lets users have namespaces of users. */
export const islandNamespaces = ['--user', '--map-root-user', '--net', '--mount', '--pid', '--fork', '--kill-child'];

/** Everything that an island needs of the machine, done once in namespaces of its own and gone with them. */
const trial = `
for program in ip nsenter unshare umount mkfifo nft; do type -P "$program" >/dev/null || { echo "the program $program is missing" >&2; exit 1; }; done
mount -t proc proc /proc && mount -t tmpfs -o size=64k t /mnt && : >/mnt/n || exit
echo 1 >/proc/sys/net/ipv4/ip_forward || exit
ip link set lo up && nft add table ip t || exit
unshare --net=/mnt/n ip link add name eth0 type veth peer name veth0 netns $$ && nsenter --net=/mnt/n ip link set eth0 up
`;

/** Tries what an island needs, in about 30 ms, and leaves nothing behind. `reason` is for people: what is missing. */
export function probeIsland(): Promise<IslandProbe> {
  if (process.platform !== 'linux') {
    return Promise.resolve({ ok: false, reason: `network namespaces are Linux's; this is ${process.platform}` });
  }
  return new Promise((resolve) => {
    const args = [...islandNamespaces, 'bash', '-p', '-c', trial];
    const child = execFile('unshare', args, { env: helperEnvironment, timeout: 10_000 }, (error, _stdout, stderr) => {
      if (!error) return resolve({ ok: true });
      if (error.code === 'ENOENT') return resolve({ ok: false, reason: 'the program unshare (util-linux) is missing' });
      const said = stderr.trim().split('\n').at(-1) || error.message.trim();
      resolve({ ok: false, reason: `an ordinary user may not have a network here (${said})` });
    });
    child.stdin?.end();
  });
}
