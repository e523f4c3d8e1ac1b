import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { quantiles } from './load.ts';
import { openTunnel, type TunnelWay } from './tunnel-client.ts';

export interface Rate {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const chunk = Buffer.alloc(256 * 1024);
const mebibyte = 1024 * 1024;

/** Bytes from the target over so many connections at once, in MB/s. */
export async function download(way: TunnelWay, options: { connections: number; bytes: number }): Promise<number> {
  return transfer(way, options, async (socket, share, onAll) => {
    let left = share;
    onAll.receive = (bytes) => {
      left -= bytes.length;
      if (left <= 0) onAll.done();
    };
    socket.write(`s ${share}\n`);
  });
}

/** Bytes to the target, until it has said that it has all. */
export async function upload(way: TunnelWay, options: { connections: number; bytes: number }): Promise<number> {
  return transfer(way, options, async (socket, share, onAll) => {
    onAll.receive = () => onAll.done();
    socket.write(`r ${share}\n`);
    for (let left = share; left > 0 && !socket.destroyed; left -= chunk.length) {
      const room = socket.write(left < chunk.length ? chunk.subarray(0, left) : chunk);
      if (!room) await new Promise<void>((resolve) => socket.once('drain', resolve));
    }
  });
}

interface OnAll {
  receive: (bytes: Buffer) => void;
  readonly done: () => void;
}

async function transfer(
  way: TunnelWay,
  { connections, bytes }: { connections: number; bytes: number },
  move: (socket: Socket, share: number, onAll: OnAll) => Promise<void>,
): Promise<number> {
  const share = Math.ceil(bytes / connections);
  const moves = await Promise.all(
    Array.from({ length: connections }, async () => {
      const ended = Promise.withResolvers<void>();
      const onAll: OnAll = { receive: () => {}, done: ended.resolve };
      const socket = await openTunnel(way, (received) => onAll.receive(received));
      socket.once('close', () => ended.reject(new Error('The connection ended before all bytes had come')));
      return { socket, onAll, ended: ended.promise };
    }),
  );
  const started = performance.now();
  await Promise.all(
    moves.map(async ({ socket, onAll, ended }) => {
      const moving = move(socket, share, onAll);
      await ended;
      socket.destroy();
      await moving.catch(() => {}); // it waited on a socket that is done with
    }),
  );
  return (share * connections) / mebibyte / ((performance.now() - started) / 1000);
}

/** Tunnels opened and closed again, one after the other by each caller. */
export function dials(way: TunnelWay, options: { callers: number; durationMs: number }): Promise<Rate> {
  return repeat(options, async () => {
    const socket = await openTunnel(way, () => {});
    socket.destroy();
  });
}

/** 64 bytes there and back, one after the other on each connection. */
export async function echoes(way: TunnelWay, options: { connections: number; durationMs: number }): Promise<Rate> {
  const message = Buffer.alloc(64, 'e');
  const sockets = await Promise.all(
    Array.from({ length: options.connections }, async () => {
      const state = { left: 0, done: () => {} };
      const socket = await openTunnel(way, (bytes) => {
        state.left -= bytes.length;
        if (state.left === 0) state.done();
      });
      return { socket, state };
    }),
  );
  const rate = await repeat({ callers: sockets.length, durationMs: options.durationMs }, (caller) => {
    const connection = sockets[caller];
    if (!connection) throw new Error('There is one connection for each caller');
    return new Promise((resolve) => {
      connection.state.left = message.length;
      connection.state.done = resolve;
      connection.socket.write(message);
    });
  });
  for (const { socket } of sockets) socket.destroy();
  return rate;
}

async function repeat(
  { callers, durationMs }: { callers: number; durationMs: number },
  act: (caller: number) => Promise<void>,
): Promise<Rate> {
  const latencies: number[] = [];
  const started = performance.now();
  const warmMs = durationMs / 4;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (;;) {
        const begin = performance.now();
        if (begin - started > warmMs + durationMs) return;
        await act(caller);
        if (begin - started > warmMs) latencies.push(performance.now() - begin);
      }
    }),
  );
  return { perSecond: latencies.length / (durationMs / 1000), ...quantiles(latencies) };
}

export interface StallFigure {
  /** MB/s of the healthy ones together. */
  readonly before: number;
  readonly during: number;
  readonly dialP99BeforeMs: number;
  /** Infinite where a dial was not answered in time. */
  readonly dialP99DuringMs: number;
}

const dialTimeoutMs = 2_000;

/** Four downloads, and then a fifth whose reader stops after its first bytes. */
export async function besideStalled(way: TunnelWay, { durationMs }: { durationMs: number }): Promise<StallFigure> {
  const idleDial = await dialLatency(way, 50);
  let received = 0;
  const endless = 's 1000000000000\n';
  const healthy = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const socket = await openTunnel(way, (bytes) => {
        received += bytes.length;
      });
      socket.write(endless);
      return socket;
    }),
  );
  const measure = async () => {
    await wait(300);
    const from = { received, atMs: performance.now() };
    await wait(durationMs);
    return (received - from.received) / mebibyte / ((performance.now() - from.atMs) / 1000);
  };
  const before = await measure();
  const dialP99BeforeMs = await dialLatency(way, 20);
  const first = Promise.withResolvers<void>();
  const stalled = await openTunnel(way, () => {
    stalled.pause();
    first.resolve();
  });
  stalled.write(endless);
  await first.promise;
  // Every buffer on the way fills.
  await wait(1500);
  const during = await measure();
  const dialP99DuringMs = await dialLatency(way, 20);
  for (const socket of [stalled, ...healthy]) socket.destroy();
  await wait(500);
  return { before, during, dialP99BeforeMs: Math.max(idleDial, dialP99BeforeMs), dialP99DuringMs };
}

/** The slowest of some dials in turn. */
async function dialLatency(way: TunnelWay, count: number): Promise<number> {
  let slowest = 0;
  for (let round = 0; round < count; round++) {
    const begin = performance.now();
    const late = new AbortController();
    const dial = openTunnel(way, () => {}).then((socket) => socket.destroy());
    const timer = wait(dialTimeoutMs, 'late', { signal: late.signal }).catch(() => 'settled');
    const outcome = await Promise.race([dial, timer]);
    late.abort();
    if (outcome === 'late') {
      dial.catch(() => {}); // given up
      return Number.POSITIVE_INFINITY;
    }
    slowest = Math.max(slowest, performance.now() - begin);
  }
  return slowest;
}
