import { globSync, readFileSync, readlinkSync } from 'node:fs';

export interface ListeningSocket {
  /** As in a URL: `127.0.0.1`, `[::1]`. */
  readonly address: string;
  readonly port: number;
  readonly pid: number;
}

/** Every TCP socket that a process or one of its descendants listens on, from `/proc`. Linux only. */
export function listeningSockets(rootPid: number): ListeningSocket[] {
  const owners = new Map<string, number>();
  for (const pid of processTree(rootPid)) for (const inode of socketInodes(pid)) owners.set(inode, pid);
  return ['tcp', 'tcp6'].flatMap((family) =>
    readLines(`/proc/${rootPid}/net/${family}`).flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [, local = '', , state] = fields;
      const pid = owners.get(fields[9] ?? '');
      if (state !== '0A' || pid === undefined) return [];
      const [address = '', port = ''] = local.split(':');
      return [{ address: formatAddress(address), port: Number.parseInt(port, 16), pid }];
    }),
  );
}

/** The process itself and all below it. */
export function processTree(rootPid: number): number[] {
  const parents = new Map<number, number>();
  for (const path of globSync('/proc/[0-9]*/stat')) {
    const [stat = ''] = readLines(path);
    const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    parents.set(Number(path.split('/')[2]), Number(parent));
  }
  const isBelow = (pid: number | undefined): boolean => pid === rootPid || (!!pid && isBelow(parents.get(pid)));
  return [...parents.keys()].filter(isBelow);
}

function socketInodes(pid: number): string[] {
  return globSync(`/proc/${pid}/fd/*`).flatMap((path) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1] ?? [];
    } catch {
      return []; // closed in the meantime
    }
  });
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return []; // the process has ended in the meantime
  }
}

/** Words of four bytes, each in the machine's order, which is little-endian on what this runs on. */
function formatAddress(hex: string): string {
  const bytes = Buffer.from(hex, 'hex');
  for (let at = 0; at < bytes.length; at += 4) bytes.subarray(at, at + 4).reverse();
  if (bytes.length === 4) return bytes.join('.');
  const groups = bytes.toString('hex').match(/.{4}/g) ?? [];
  return new URL(`http://[${groups.join(':')}]`).hostname;
}
