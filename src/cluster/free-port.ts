import { once } from 'node:events';
import { createServer } from 'node:net';

/** The port itself, or the next higher one that is free on `host`. @throws when a hundred in a row are taken */
export async function firstFreePort(host: string, port: number): Promise<number> {
  for (let candidate = port; candidate < port + 100; candidate++) {
    if (await isFree(host, candidate)) return candidate;
  }
  throw new Error(`No free port from ${port} to ${port + 99} on ${host}`);
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    server.close();
  }
}
