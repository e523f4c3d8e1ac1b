import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** How one target is reached: through a front end on a Unix socket, at a port that leads there without asking, or by TLS alone. */
export type TunnelWay =
  | { readonly path: string; readonly target: string }
  | { readonly port: number }
  | { readonly tlsPort: number; readonly ca: string };

const header = 'HTTP/1.1 200';
const readBuffer = Buffer.allocUnsafe(256 * 1024);

/**
 * One connection to the target, with as little of its own as possible: this program shares the cores with what it measures.
 * Bytes go to `onBytes`; they are of one buffer that is used again. @throws where the dial is refused
 */
export async function openTunnel(way: TunnelWay, onBytes: (bytes: Buffer) => void): Promise<Socket> {
  if ('tlsPort' in way) {
    const socket = connectTls({ host: '127.0.0.1', port: way.tlsPort, ca: way.ca });
    await once(socket, 'secureConnect');
    return socket
      .setNoDelay(true)
      .on('error', () => {})
      .on('data', onBytes); // ended by us
  }
  const answered = Promise.withResolvers<void>();
  let open = !('path' in way);
  const onread = {
    buffer: () => readBuffer,
    callback: (length: number, buffer: Uint8Array) => {
      const bytes = (buffer as Buffer).subarray(0, length); // it is `readBuffer`
      if (open) {
        onBytes(bytes);
        return true;
      }
      const text = bytes.toString('latin1');
      open = text.startsWith(header) && text.endsWith('\r\n\r\n');
      if (open) answered.resolve();
      else answered.reject(new Error(`The dial was answered with ${JSON.stringify(text.slice(0, 200))}`));
      return true;
    },
  };
  const socket =
    'path' in way ? connect({ path: way.path, onread }) : connect({ host: '127.0.0.1', port: way.port, onread });
  socket.setNoDelay(true);
  socket.on('error', answered.reject);
  socket.on('close', () => answered.reject(new Error('The connection ended during the dial')));
  socket.once('connect', () => {
    if ('path' in way) socket.write(`CONNECT ${way.target} HTTP/1.1\r\nHost: ${way.target}\r\n\r\n`);
    else answered.resolve();
  });
  try {
    await answered.promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
