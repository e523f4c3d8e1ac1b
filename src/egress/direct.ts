import { connect } from 'node:net';
import type { Dial } from '../stream/dial.ts';

/** Until the connection is there; a caller's own deadline may be shorter. */
const connectTimeoutMs = 10_000;

/** Dials with a plain TCP socket of this machine. */
export const dialDirect: Dial = ({ host, port, node }, { signal }) =>
  new Promise((resolve, reject) => {
    const hop = `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}${node ? ` (node ${node})` : ''}`;
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const fail = (cause: Error) => {
      settle();
      socket.destroy();
      reject(new Error(`${hop}: ${cause.message}`, { cause }));
    };
    const abort = () => fail(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    const timer = setTimeout(() => fail(new Error(`no answer within ${connectTimeoutMs} ms`)), connectTimeoutMs);
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    // Listeners of the new owner come after this promise resolves; until then an error must find one.
    socket.once('error', fail);
    socket.once('connect', () => {
      settle();
      socket.once('error', () => {});
      resolve(socket);
    });
  });
