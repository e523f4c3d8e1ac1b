import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { endTransport } from './end-transport.ts';

/** A request that asks for an HTTP/1.1 upgrade, as `node:http` hands it over. Whoever takes it owns the socket. */
export interface UpgradeRequest {
  readonly request: Pick<IncomingMessage, 'method' | 'headers'>;
  readonly socket: Duplex;
  /** Bytes that came behind the request head. */
  readonly head: Buffer;
}

/** An upgrade that was refused. The answer has been sent and the connection is being closed. */
export class HandshakeError extends Error {
  override readonly name = 'HandshakeError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const reasonPhrases: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  500: 'Internal Server Error',
};

/** Answers with plain text and closes; returns the error to throw. */
export function refuseUpgrade(
  { socket }: UpgradeRequest,
  status: number,
  message: string,
  headers: readonly string[] = [],
): HandshakeError {
  const body = Buffer.from(`${message}\n`);
  const lines = [
    `HTTP/1.1 ${status} ${reasonPhrases[status] ?? 'Error'}`,
    'Content-Type: text/plain; charset=utf-8',
    'X-Content-Type-Options: nosniff',
    `Content-Length: ${body.length}`,
    'Connection: close',
    ...headers,
  ];
  if (!socket.destroyed) socket.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]));
  void endTransport(socket, { lingerMs: 5000, stallMs: 5000 });
  return new HandshakeError(status, message);
}

/** Whether the client asks for a WebSocket. */
export function isWebSocketUpgrade(request: UpgradeRequest['request']): boolean {
  return hasToken(request.headers.upgrade, 'websocket') && hasToken(request.headers.connection, 'upgrade');
}

/** The values of a list header, in order; several header lines and comma-joined values count alike. */
export function listHeader(value: string | string[] | undefined): string[] {
  const joined = Array.isArray(value) ? value.join(',') : (value ?? '');
  return joined
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function hasToken(value: string | string[] | undefined, token: string): boolean {
  return listHeader(value).some((item) => item.toLowerCase() === token);
}

/** What every long stream wants of its socket: no delay, no idle cut, and a dead peer noticed. */
export function tuneSocket(socket: Duplex & { setNoDelay?: unknown }): void {
  const tunable = socket as Partial<Pick<import('node:net').Socket, 'setNoDelay' | 'setTimeout' | 'setKeepAlive'>>;
  tunable.setNoDelay?.(true);
  tunable.setTimeout?.(0);
  tunable.setKeepAlive?.(true, 30_000);
}
