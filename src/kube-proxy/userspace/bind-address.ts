export interface BoundAddress {
  readonly address: string;
  readonly port: number;
}

/** Codes for which another address or port is tried; anything else is an error. */
const occupied: ReadonlySet<string> = new Set(['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'EPERM']);
const unprivileged = 8000;

/**
 * Binds where clients expect it, or else as near as can be: a port that needs rights is moved up by 8000, a taken one goes anywhere,
 * and where the machine has only one loopback address that one is used. @throws what the last attempt threw
 */
export async function bindNear<T>(wanted: BoundAddress, bind: (address: BoundAddress) => Promise<T>): Promise<T> {
  const { address, port } = wanted;
  const attempts: BoundAddress[] = [
    wanted,
    ...(port < 1024 ? [{ address, port: port + unprivileged }] : []),
    { address, port: 0 },
    ...(address.startsWith('127.') && address !== '127.0.0.1' ? [{ address: '127.0.0.1', port: 0 }] : []),
  ];
  let last: unknown;
  for (const attempt of attempts) {
    try {
      return await bind(attempt);
    } catch (error) {
      if (!occupied.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      last = error;
    }
  }
  throw last;
}
