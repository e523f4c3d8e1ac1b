/**
 * The API server could not be reached, or the connection broke before the answer was complete. `cause` has the socket's or TLS's error.
 *
 * - `connect`: nothing was sent; repeating is safe.
 * - `refused`: the server says that it did not look at the request; repeating is safe.
 * - `broken`: the request may have been carried out.
 * - `timeout`: the deadline passed; the request may have been carried out.
 */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly server: string;
  readonly phase: 'connect' | 'refused' | 'broken' | 'timeout';

  constructor(
    message: string,
    { server, phase, cause }: { server: string; phase: 'connect' | 'refused' | 'broken' | 'timeout'; cause?: unknown },
  ) {
    super(message, { cause });
    this.server = server;
    this.phase = phase;
  }
}
