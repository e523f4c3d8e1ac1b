import { chmod, unlink } from 'node:fs/promises';
import type { AddressInfo, Server } from 'node:net';

/** Where a port listens: on TCP, or on a Unix socket. */
export type ListenAddress =
  | { readonly port: number /** @default all addresses */; readonly host?: string }
  | { readonly path: string /** Deletes a file that is there already. @default true */; readonly replace?: boolean };

/** Starts to listen; gives the port, 0 for a Unix socket. A Unix socket may be used by its owner and group alone. */
export async function listenOn(server: Server, address: ListenAddress): Promise<number> {
  if ('path' in address && address.replace !== false) {
    await unlink(address.path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const done = () => {
      server.off('error', reject);
      resolve();
    };
    if ('path' in address) {
      // The socket is bound within the call, so that nobody finds it with wider rights.
      const before = process.umask(0o007);
      try {
        server.listen(address.path, done);
      } finally {
        process.umask(before);
      }
    } else {
      server.listen({ port: address.port, ...(address.host && { host: address.host }) }, done);
    }
  });
  if ('path' in address) {
    await chmod(address.path, 0o770);
    return 0;
  }
  return (server.address() as AddressInfo).port; // it listens on TCP
}
