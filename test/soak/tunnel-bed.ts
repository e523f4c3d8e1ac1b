import { readdirSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { listenTarget, type TestTarget } from '../../src/tunnel/tunnel-suite.ts';

/** `FAIRLEAD_SOAK=10` makes every suite ten times as long. */
export const soakFactor = Number(process.env['FAIRLEAD_SOAK'] ?? 1);

const piece = Buffer.alloc(64 * 1024);

/** A target that sends for as long as somebody takes. */
export function listenEndless(): Promise<TestTarget> {
  return listenTarget((socket) => {
    const push = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', push);
    push();
  });
}

export function listenEcho(): Promise<TestTarget> {
  return listenTarget((socket) => void socket.pipe(socket));
}

/** A target that reads nothing, ever. */
export function listenDeaf(): Promise<TestTarget> {
  return listenTarget((socket: Socket) => void socket.pause());
}

/** Writes until `signal`, or the end; gives how much was taken. */
export async function pushInto(stream: Duplex, signal: AbortSignal): Promise<number> {
  let taken = 0;
  while (!signal.aborted && !stream.destroyed) {
    const room = stream.write(piece);
    taken += piece.length;
    if (!room)
      await new Promise<void>((resolve) => {
        const settle = () => {
          stream.off('drain', settle);
          stream.off('close', settle);
          signal.removeEventListener('abort', settle);
          resolve();
        };
        stream.on('drain', settle);
        stream.on('close', settle);
        signal.addEventListener('abort', settle);
      });
  }
  return taken;
}

/** Reads to the end, at most 64 KiB each 5 ms: for each chunk in turn. */
export async function readSlowly(stream: Duplex, take: (chunk: Buffer) => void): Promise<void> {
  const ended = Promise.withResolvers<void>();
  stream.on('end', ended.resolve);
  stream.on('error', ended.reject);
  stream.on('close', () => ended.reject(new Error('it closed before its end')));
  stream.on('data', (chunk: Buffer) => {
    take(chunk);
    stream.pause();
    void wait(Math.ceil((chunk.length / piece.length) * 5)).then(() => stream.resume());
  });
  stream.resume();
  await ended.promise;
}

export function residentMb(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** How many file descriptors a process has open. */
export function openFiles(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Does something `times` times, so many at once. */
export async function inParallel(times: number, atOnce: number, act: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < times) await act(next++);
    }),
  );
}
