import type { Readable } from 'node:stream';
import { ApiError } from '../api/errors.ts';

/** What one request may send: create, update, patch and delete take no more. */
export const maxBodyBytes = 3 * 1024 * 1024;

/** Reads a whole body. @throws {ApiError} `RequestEntityTooLarge` beyond the limit, `BadRequest` when the client breaks off */
export function readBody(source: Readable, declaredLength: string | undefined): Promise<Uint8Array> {
  if (declaredLength !== undefined && Number(declaredLength) > maxBodyBytes) {
    source.resume();
    return Promise.reject(tooLarge());
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    source.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBodyBytes) {
        source.removeAllListeners('data');
        source.resume(); // the answer can be sent while the rest is thrown away
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    source.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    const brokenOff = (cause?: Error) => {
      if (source.readableEnded) return; // every stream closes; an error made for that would cost more than the body
      reject(new ApiError('BadRequest', 'the request body ended early', { cause }));
    };
    source.on('error', brokenOff);
    source.on('aborted', () => brokenOff());
    source.on('close', () => brokenOff());
  });
}

function tooLarge(): ApiError {
  return new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`);
}
