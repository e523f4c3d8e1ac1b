import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { RuntimeError } from '../runtime.ts';
import { enterNetwork, helperEnvironment } from './isolation.ts';

export interface NamespaceSocketOptions {
  /** The file that stands for the network namespace. */
  readonly networkNamespace: string;
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal;
}

const dialTimeoutMs = 10_000;

/** Dials in the namespace that it was started in and hands the open socket over, before a byte of it was read. */
const dialer = `
const [host, port] = process.argv.slice(1);
const socket = require('node:net').connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true }).pause();
socket.once('error', (error) => process.send({ error: error.message }));
socket.once('connect', () => process.send({}, socket));
`;

/**
 * A connection that begins in another network namespace, where its loopback addresses are meant. A socket belongs for ever to the namespace that it
 * was made in, so that a small process makes it there and passes it on; that takes about 50 ms, and nothing stands between the ends afterwards.
 * @throws {RuntimeError} `NotFound`
 */
export async function openNamespaceSocket(options: NamespaceSocketOptions): Promise<Socket> {
  const { networkNamespace, host, port, signal } = options;
  const [file = '', ...args] = [...enterNetwork(networkNamespace), process.execPath, '-e', dialer, host, String(port)];
  const child = spawn(file, args, {
    env: helperEnvironment,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    timeout: dialTimeoutMs,
    killSignal: 'SIGKILL',
  });
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const fail = (why: string) =>
    reject(new RuntimeError('NotFound', `cannot connect to port ${port} in the pod: ${why}`));
  const abort = () => fail('the client is gone');
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  child.once('error', (error) => fail(error.message));
  child.once('exit', () => fail('the connection took too long'));
  child.once('message', ({ error }: { error?: string }, handle) => {
    if (!(handle instanceof Socket)) return fail(error ?? 'no connection was passed on');
    handle.allowHalfOpen = true;
    if (signal.aborted) handle.destroy();
    resolve(handle);
  });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', abort);
    if (child.connected) child.disconnect(); // it then has nothing left to do
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      if (signal.aborted) child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}
