import { createRequire } from 'node:module';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ConfigError } from '../../lib/config-error.ts';

/** What is used of `ssh2`, which has no types of its own and is loaded where SSH tunnels are asked for. */
interface Ssh2 {
  readonly Client: new () => Ssh2Client;
  readonly utils: {
    parseKey(text: string): { readonly type: string } | Error;
    generateKeyPairSync(type: 'ed25519', options: { comment: string }): { private: string; public: string };
  };
}

interface Ssh2Client extends NodeJS.EventEmitter {
  connect(options: Readonly<Record<string, unknown>>): void;
  forwardOut(
    sourceHost: string,
    sourcePort: number,
    host: string,
    port: number,
    done: (error: Error | undefined, channel: Duplex) => void,
  ): void;
  end(): void;
  destroy(): void;
}

const require = createRequire(import.meta.url);
let loaded: Ssh2 | undefined;

function ssh2(): Ssh2 {
  try {
    loaded ??= require('ssh2') as Ssh2; // the part of it that is declared above
    return loaded;
  } catch (cause) {
    throw new ConfigError('SSH tunnels need the optional dependency ssh2, which is not installed', { cause });
  }
}

export interface SshAddress {
  readonly host: string;
  readonly port: number;
}

export interface SshSessionOptions extends SshAddress {
  readonly user: string;
  /** PEM or OpenSSH's own format. */
  readonly privateKey: string;
  /** Algorithms that the server may prove itself with: those of the keys that are known of it. */
  readonly hostKeyAlgorithms: readonly string[];
  /** Judges the server's key, as it is on the wire. */
  readonly verifyHostKey: (key: Buffer) => boolean;
  readonly signal: AbortSignal;
}

/** An authenticated SSH connection that forwards TCP connections from its far end. */
export interface SshSession extends AsyncDisposable {
  /** Opens `direct-tcpip` to `address` as the far end sees it. The stream is half-closable. */
  forward(address: SshAddress, signal: AbortSignal): Promise<Duplex>;
  /** Resolves when the connection is over, with the reason where it broke. Never rejects. */
  readonly closed: Promise<Error | undefined>;
}

const readyTimeoutMs = 20_000;
const keepaliveMs = 15_000;
const keepaliveMisses = 3;

/** Opens an SSH connection. @throws an error that says at which step it failed */
export function openSshSession(options: SshSessionOptions): Promise<SshSession> {
  const { host, port, user, privateKey, hostKeyAlgorithms, verifyHostKey, signal } = options;
  const client = new (ssh2().Client)();
  const socket = connectTcp({ host, port, noDelay: true });
  const over = Promise.withResolvers<Error | undefined>();
  let broken: Error | undefined;
  return new Promise((resolve, reject) => {
    const abandon = () => fail(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    const fail = (error: Error) => {
      signal.removeEventListener('abort', abandon);
      client.destroy();
      socket.destroy();
      reject(error);
    };
    if (signal.aborted) return abandon();
    signal.addEventListener('abort', abandon, { once: true });
    client.on('error', (error: Error) => {
      broken ??= error;
      fail(error);
    });
    client.on('close', () => {
      fail(new Error('the SSH server closed the connection'));
      over.resolve(broken);
    });
    client.on('ready', () => {
      signal.removeEventListener('abort', abandon);
      resolve(sessionOf(client, socket, over.promise));
    });
    client.connect({
      sock: socket,
      username: user,
      privateKey,
      // Nothing but the key: no passwords, no agent of whoever started this process.
      authHandler: [{ type: 'publickey', username: user, key: privateKey }],
      algorithms: { serverHostKey: hostKeyAlgorithms },
      hostVerifier: (key: Buffer) => verifyHostKey(key),
      readyTimeout: readyTimeoutMs,
      keepaliveInterval: keepaliveMs,
      keepaliveCountMax: keepaliveMisses,
    });
  });
}

function sessionOf(client: Ssh2Client, socket: Socket, closed: Promise<Error | undefined>): SshSession {
  return {
    closed,
    forward: (address, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const abandon = () => reject(signal.reason);
        const lost = () => reject(new Error('the SSH connection was lost'));
        signal.addEventListener('abort', abandon, { once: true });
        client.once('close', lost);
        try {
          client.forwardOut('127.0.0.1', 0, address.host, address.port, (error, channel) => {
            signal.removeEventListener('abort', abandon);
            client.off('close', lost);
            if (error) return reject(error);
            channel.on('error', () => {}); // until the new owner listens; a broken channel also closes
            if (signal.aborted) channel.destroy();
            else resolve(channel);
          });
        } catch (error) {
          client.off('close', lost);
          signal.removeEventListener('abort', abandon);
          reject(error);
        }
      }),
    async [Symbol.asyncDispose]() {
      client.end();
      const timer = setTimeout(() => socket.destroy(), 1000);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** The kind of a private key, such as `ssh-ed25519`. @throws {Error} where it is none, or needs a passphrase */
export function privateKeyType(text: string): string {
  const key = ssh2().utils.parseKey(text);
  if (key instanceof Error) throw key;
  return key.type;
}

/** A new ed25519 key: private in OpenSSH's format, public as a line of `authorized_keys`. */
export function generateSshKey(comment: string): { readonly privateKey: string; readonly publicKey: string } {
  const pair = ssh2().utils.generateKeyPairSync('ed25519', { comment });
  return { privateKey: pair.private, publicKey: pair.public };
}
