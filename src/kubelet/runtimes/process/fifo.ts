import { execFile } from 'node:child_process';
import { constants, open as openDescriptor } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Socket } from 'node:net';
import { promisify } from 'node:util';
import { helperEnvironment } from './isolation.ts';

export async function makeFifos(paths: readonly string[]): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '600', ...paths], { env: helperEnvironment });
}

/** Keeps a FIFO from ending while its writer is still to come. */
export function holdFifo(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_NONBLOCK);
}

/** The reading end. It ends when the last writer has closed; without a writer, after what the kernel still holds. */
export async function readFifo(path: string): Promise<Socket> {
  const socket = await openSocket(path, constants.O_RDONLY, { readable: true, writable: false });
  // Linux reports the end only to a reader that has seen a writer (pipe(7), poll): be one for a moment.
  const writer = await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
  await writer.close();
  return socket;
}

/** The writing end. Fails with ENXIO where nobody reads. */
export function writeFifo(path: string): Promise<Socket> {
  return openSocket(path, constants.O_WRONLY, { readable: false, writable: true });
}

function openSocket(path: string, access: number, sides: { readable: boolean; writable: boolean }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // By descriptor, not by FileHandle: the socket owns it and closes it.
    openDescriptor(path, access | constants.O_NONBLOCK, (error, fd) => {
      if (error) reject(error);
      else resolve(new Socket({ fd, ...sides }));
    });
  });
}
