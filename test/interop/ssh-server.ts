import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { PeerProcess } from './peer-process.ts';

const program = '/usr/sbin/sshd';

/** Why OpenSSH's server cannot be used here, or `undefined` where it can. */
export function missingSshServer(): string | undefined {
  if (!existsSync(program)) return 'no OpenSSH server (apt-get install openssh-server)';
  return spawnSync('ssh-keygen', ['-?']).error ? 'no ssh-keygen' : undefined;
}

export const sshUser = userInfo().username;

/** Makes a key pair with OpenSSH's own tool; gives the public half as `<type> <base64>`. */
export function makeSshKey(path: string, type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519'): string {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', 'test', '-f', path]);
  return readFileSync(`${path}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
}

export interface SshServerOptions {
  readonly directory: string;
  readonly name: string;
  readonly hostKeyFile: string;
  /** Lines of `authorized_keys`. */
  readonly authorizedKeys: string;
  /** @default a free one */
  readonly port?: number;
}

export interface SshServer extends AsyncDisposable {
  readonly port: number;
}

/** An OpenSSH server on loopback that takes one user with one key, and forwards. */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const { directory, name, hostKeyFile, authorizedKeys } = options;
  const port = options.port ?? (await freePort());
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const keys = join(directory, `${name}.authorized`);
  writeFileSync(keys, authorizedKeys, { mode: 0o600 });
  const config = join(directory, `${name}.conf`);
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKeyFile}`,
    `AuthorizedKeysFile ${keys}`,
    `PidFile ${join(directory, `${name}.pid`)}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin yes',
    'AllowTcpForwarding local',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const peer = new PeerProcess(program, ['-D', '-e', '-f', config], { name: 'sshd' });
  await peer.until(() => accepts(port), 10_000);
  return {
    port,
    async [Symbol.asyncDispose]() {
      if (peer.child.exitCode !== null || peer.child.signalCode !== null) return;
      // Each connection is served by a child of the listener, which outlives it and holds its output open.
      const children = () => readFileSync(`/proc/${peer.child.pid}/task/${peer.child.pid}/children`, 'utf8');
      const serving = children().split(' ').filter(Boolean).map(Number);
      peer.child.kill('SIGTERM');
      for (const child of serving) endProcess(child);
      await peer[Symbol.asyncDispose]();
    },
  };
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // gone already
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }; // it listens on TCP
      server.close(() => resolve(port));
    });
  });
}
