import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { asError } from '../lib/error-message.ts';

/**
 * TLS as a client on a stream that was dialled. Resolves with a socket that is verified as `options` ask; rejects with the reason why the peer is not
 * believed, with `lost` where it closed the connection, and with the signal's reason. Both streams are destroyed then.
 */
export function secureOver(
  transport: Duplex,
  options: ConnectionOptions,
  {
    signal,
    lost = 'the connection was closed during the handshake',
  }: { readonly signal: AbortSignal; readonly lost?: string },
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    let socket: TLSSocket | undefined;
    const fail = (error: Error) => {
      signal.removeEventListener('abort', abandon);
      socket?.destroy();
      transport.destroy();
      reject(error);
    };
    const abandon = () => fail(asError(signal.reason));
    try {
      socket = connect({ ...options, socket: transport });
    } catch (error) {
      return fail(asError(error)); // a CA that cannot be read
    }
    const connected = socket;
    const closed = () => fail(new Error(lost));
    connected.once('error', fail);
    connected.once('close', closed);
    connected.once('secureConnect', () => {
      signal.removeEventListener('abort', abandon);
      connected.off('error', fail);
      connected.off('close', closed);
      connected.on('error', () => {}); // whoever reads or writes sees it; a socket that nobody uses any more may fail
      resolve(connected);
    });
    signal.addEventListener('abort', abandon, { once: true });
    if (signal.aborted) abandon();
  });
}
