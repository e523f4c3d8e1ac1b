import { type ClientHttp2Session, type ClientHttp2Stream, constants, type OutgoingHttpHeaders } from 'node:http2';
import type { RawResponse } from './client.ts';
import { ConnectionError } from './connection-error.ts';

export interface ExchangeOptions {
  readonly server: string;
  readonly body: Uint8Array | string | undefined;
  readonly signal: AbortSignal;
}

/** A response whose headers have come and whose body has not. */
export interface OpenResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly stream: ClientHttp2Stream;
}

/**
 * Sends one request and waits for the response's headers. An abort resets the stream, later ones too.
 * @throws {ConnectionError} phase `refused` where the server never looked at it, else `broken`
 */
export function openExchange(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  { server, body, signal }: ExchangeOptions,
): Promise<OpenResponse> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    if (session.closed || session.destroyed) return reject(refused(server, undefined));
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(headers, { endStream: body === undefined });
    } catch (error) {
      return reject(refused(server, error));
    }
    let failure: unknown;
    let answered = false;
    const onAbort = () => cancel(stream);
    signal.addEventListener('abort', onAbort, { once: true });
    stream.on('error', (error) => {
      failure = error;
    });
    stream.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      if (answered) return;
      if (signal.aborted) reject(signal.reason);
      else if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) reject(refused(server, failure));
      else reject(broken(server, failure));
    });
    stream.once('response', (answer) => {
      answered = true;
      resolve({ status: answer[':status'] ?? 0, headers: answer, stream });
    });
    if (body !== undefined) stream.end(body);
  });
}

/**
 * The whole body of an open response.
 * @throws {ConnectionError} phase `broken` if it ends early
 */
export function readBody(
  { status, headers, stream }: OpenResponse,
  { server, maxBodyBytes, signal }: { server: string; maxBodyBytes: number; signal: AbortSignal },
): Promise<RawResponse> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    let ended = false;
    let failure: unknown;
    // Cut in the same turn in which the headers came: its 'close' has been emitted already.
    if (stream.destroyed) return reject(signal.aborted ? signal.reason : broken(server, undefined));
    stream.on('error', (error) => {
      failure ??= error;
    });
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBodyBytes) return void parts.push(chunk);
      failure ??= new Error(`the answer is longer than ${maxBodyBytes} bytes`);
      cancel(stream);
    });
    stream.once('end', () => {
      ended = true;
    });
    stream.once('close', () => {
      // Node also emits 'end' on a stream that was cut off; only the code tells.
      const complete = ended && stream.rstCode === constants.NGHTTP2_NO_ERROR && failure === undefined;
      if (complete)
        resolve({ status, headers, body: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts) });
      else if (signal.aborted) reject(signal.reason);
      else reject(broken(server, failure));
    });
  });
}

/** `close` alone waits until the rest has been read. */
export function cancel(stream: ClientHttp2Stream): void {
  stream.close(constants.NGHTTP2_CANCEL);
  stream.destroy();
}

export function broken(server: string, cause: unknown): ConnectionError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new ConnectionError(`The connection to the API server at ${server} broke${why}`, {
    server,
    phase: 'broken',
    cause,
  });
}

function refused(server: string, cause: unknown): ConnectionError {
  return new ConnectionError(`The API server at ${server} refused the stream`, { server, phase: 'refused', cause });
}
