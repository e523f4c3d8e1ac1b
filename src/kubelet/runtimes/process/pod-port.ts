import { readdir, readFile, readlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { RuntimeError } from '../runtime.ts';
import { openNamespaceSocket } from './namespace-socket.ts';

export interface PodPortRequest {
  /** The pod's address. */
  readonly ip: string;
  readonly port: number;
  /** The pod's processes, by their numbers on the host. */
  readonly processes: () => Promise<readonly number[]>;
  /** The pod's own. @default it shares the agent's network */
  readonly networkNamespace?: string;
  readonly signal: AbortSignal;
}

interface Listener {
  /** As `/proc/net/tcp` has it. */
  readonly address: string;
  readonly inode: string;
}

/** Addresses in the kernel's form: 32-bit words, each in host byte order. */
const anyV4 = '00000000';
const anyV6 = '0'.repeat(32);
const loopbackV4 = '0100007F';
const loopbackV6 = '00000000000000000000000001000000';

/**
 * A connection to a port of a pod: at the pod's own address, or to a program of the pod that listens on all addresses or on
 * localhost alone. Pods share the host's loopback, so that such a listener is taken only where its socket is held by one of the
 * pod's processes: otherwise a forwarded port would open whatever runs on the host.
 * @throws {RuntimeError} `NotFound`
 */
export async function openPodPort(request: PodPortRequest): Promise<Socket> {
  const { ip, port, processes, networkNamespace, signal } = request;
  if (networkNamespace !== undefined) return openOwnPort({ ...request, networkNamespace });
  const listeners = await readListeners(port);
  // Where the kernel does not say who listens, only the pod's address is tried.
  if (!listeners || listeners.some(({ address }) => address === formatV4(ip))) return dialPort(ip, port, signal);
  const hosts: Readonly<Record<string, string>> = {
    [anyV4]: ip,
    [anyV6]: ip,
    [loopbackV4]: '127.0.0.1',
    [loopbackV6]: '::1',
  };
  const shared = listeners.filter(({ address }) => address in hosts);
  if (shared.length > 0) {
    const held = await socketsOf(await processes());
    const own = shared.find(({ inode }) => held.has(inode));
    if (own) return dialPort(hosts[own.address] ?? ip, port, signal);
  }
  throw new RuntimeError(
    'NotFound',
    shared.length > 0
      ? `connection refused: the program that listens on port ${port} of this machine is not the pod's`
      : `connection refused: nothing in the pod listens on port ${port}`,
  );
}

/** The same in a pod with a network of its own, whose every listener is the pod's. */
async function openOwnPort(request: PodPortRequest & { readonly networkNamespace: string }): Promise<Socket> {
  const { ip, port, processes, networkNamespace, signal } = request;
  const [pid] = await processes();
  const listeners = pid === undefined ? [] : ((await readListeners(port, `/proc/${pid}/net`)) ?? []);
  const has = (...addresses: string[]) => listeners.some(({ address }) => addresses.includes(address));
  if (has(anyV4, anyV6, formatV4(ip))) return dialPort(ip, port, signal);
  const host = has(loopbackV4) ? '127.0.0.1' : has(loopbackV6) ? '::1' : undefined;
  if (host === undefined) {
    throw new RuntimeError('NotFound', `connection refused: nothing in the pod listens on port ${port}`);
  }
  return openNamespaceSocket({ networkNamespace, host, port, signal });
}

/** Who listens on `port` in the namespace that `directory` shows. `undefined` elsewhere than on Linux. */
async function readListeners(port: number, directory = '/proc/net'): Promise<Listener[] | undefined> {
  const tables = await Promise.all(
    [`${directory}/tcp`, `${directory}/tcp6`].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  if (tables.every((table) => table === '')) return undefined;
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const found: Listener[] = [];
  for (const line of tables.join('\n').split('\n')) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const [address = '', at] = local.split(':');
    if (state === '0A' && at === wanted) found.push({ address, inode });
  }
  return found;
}

async function socketsOf(pids: readonly number[]): Promise<Set<string>> {
  const held = new Set<string>();
  for (const pid of pids) {
    // A process that has ended meanwhile, or a descriptor that was closed, holds nothing.
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const inode = /^socket:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/fd/${fd}`).catch(() => ''))?.[1];
      if (inode !== undefined) held.add(inode);
    }
  }
  return held;
}

function formatV4(ip: string): string {
  const bytes = ip.split('.').map((part) => Number(part).toString(16).toUpperCase().padStart(2, '0'));
  return bytes.reverse().join('');
}

function dialPort(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const abort = () => socket.destroy(new Error('aborted'));
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  socket.once('connect', () => {
    socket.removeListener('error', refuse);
    resolve(socket);
  });
  const refuse = (error: Error) => reject(new RuntimeError('NotFound', error.message, { cause: error }));
  socket.once('error', refuse);
  return promise;
}
