import { createHmac } from 'node:crypto';
import type { SshAddress } from './ssh-session.ts';

/** A public key as SSH writes it: `ssh-ed25519 AAAA…`. */
export interface HostKey {
  readonly type: string;
  readonly key: Buffer;
}

interface KnownHost extends HostKey {
  readonly hosts: string;
  readonly revoked: boolean;
}

/** Lines of a `known_hosts` file. Certificate authorities are not understood and count for nothing; a line that is no key is left out. */
export class KnownHosts {
  readonly #entries: readonly KnownHost[];

  constructor(text: string) {
    this.#entries = text.split('\n').flatMap((line) => parseLine(line.trim()) ?? []);
  }

  /** The keys that `address` or one of `names` may show, and those that nobody may. */
  lookup(address: SshAddress, names: readonly string[] = []): { accepted: HostKey[]; revoked: HostKey[] } {
    const { host, port } = address;
    const wanted = [host, ...names].map((name) => (port === 22 ? name : `[${name}]:${port}`).toLowerCase());
    const found = this.#entries.filter(({ hosts }) => wanted.some((name) => matches(hosts, name)));
    return { accepted: found.filter(({ revoked }) => !revoked), revoked: found.filter(({ revoked }) => revoked) };
  }
}

/** Keys one a line, `<type> <base64>` each: as a Node's annotation publishes them. What is no key is left out. */
export function parseHostKeys(text: string): HostKey[] {
  return text.split(/[\n,]/).flatMap((line) => parseKey(line.trim().split(/\s+/)) ?? []);
}

/** What a server that has a key of this type may sign with. SHA-1 is not among it. */
export function signatureAlgorithms(type: string): readonly string[] {
  return type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type];
}

const keyTypes = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'];

function parseLine(line: string): KnownHost | undefined {
  if (line === '' || line.startsWith('#')) return undefined;
  const words = line.split(/\s+/);
  const marker = words[0]?.startsWith('@') ? words.shift() : undefined;
  if (marker !== undefined && marker !== '@revoked') return undefined;
  const [hosts = '', ...rest] = words;
  const key = parseKey(rest);
  return key && { ...key, hosts, revoked: marker === '@revoked' };
}

/** The type is written twice, outside and inside of the key: both must agree. */
function parseKey([type = '', base64 = '']: readonly string[]): HostKey | undefined {
  if (!keyTypes.includes(type)) return undefined;
  const key = Buffer.from(base64, 'base64');
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0;
  return key.toString('latin1', 4, 4 + length) === type ? { type, key } : undefined;
}

/** `hosts` is a hashed name, or patterns with `*`, `?` and `!`, of which one must match and none with `!`. */
function matches(hosts: string, name: string): boolean {
  const [, salt, hash] = /^\|1\|([^|]+)\|([^|]+)$/.exec(hosts) ?? [];
  if (salt !== undefined) {
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  const patterns = hosts.toLowerCase().split(',');
  const fits = (pattern: string) => toExpression(pattern).test(name);
  if (patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern));
}

function toExpression(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
