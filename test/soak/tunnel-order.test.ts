import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { listenTarget } from '../../src/tunnel/tunnel-suite.ts';
import {
  type Combination,
  eventually,
  missingEnds,
  nameOf,
  startPair,
  type TunnelPair,
  tunnelEnds,
} from '../interop/konnectivity-pair.ts';
import { inParallel, readSlowly, soakFactor } from './tunnel-bed.ts';

/** Twice as many where everything is ours: through both protocols and both front ends they are 10,000 and more. */
const firstWords = 2_500 * soakFactor;
const closings = 8 * soakFactor;
const toClient = randomBytes(4 * 1024 * 1024);
const toTarget = randomBytes(4 * 1024 * 1024 + 1);
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const hashes = { toClient: hash(toClient), toTarget: hash(toTarget) };

function suite(combination: Combination): void {
  let pair: TunnelPair;
  before(async () => {
    pair = await startPair(combination);
  });
  after(() => pair[Symbol.asyncDispose]());

  test('what a target says first comes whole and behind the header', { timeout: 300_000 * soakFactor }, async () => {
    const words = 'SSH-2.0-target speaks first\r\n';
    await using target = await listenTarget((socket) => void socket.write(words));
    await inParallel(combination.agent === 'ours' ? firstWords * 2 : firstWords, 50, async () => {
      // Bytes ahead of the header fail in `open`, which reads the header itself.
      const tunnel = await pair.open(`127.0.0.1:${target.port}`);
      tunnel.on('error', () => {}); // a cut at the end is ours
      const heard = String(await nextChunk(tunnel));
      assert.equal(heard, words);
      tunnel.destroy();
    });
  });

  for (const order of orders) {
    if (order.needs === 'ours' && combination.agent !== 'ours') continue;
    if (order.needs === 'half-close' && (combination.agent !== 'ours' || combination.mode === 'grpc')) continue;
    test(`${order.name}: no byte is lost`, { timeout: 120_000 * soakFactor }, async () => {
      await inParallel(closings, 4, () => order.run(pair));
    });
  }

  test('nothing is left open', { skip: combination.agent === 'upstream' }, async () => {
    const left = async () => [
      await pair.metric('established_connections'),
      await pair.agentMetric('open_endpoint_connections'),
    ];
    await eventually(left, (counts) => counts.every((count) => count === 0), { what: 'open connections' });
  });
}

interface ClosingOrder {
  readonly name: string;
  /** Upstream's agent loses bytes of a client that has closed, and neither it nor gRPC front ends know half-closes. */
  readonly needs: 'any' | 'ours' | 'half-close';
  readonly run: (pair: TunnelPair) => Promise<void>;
}

const orders: readonly ClosingOrder[] = [
  {
    name: 'the target sends 4 MB and closes, the client reads slowly',
    needs: 'any',
    run: async (pair) => {
      await using tunnel = await open(pair, (socket) => {
        socket.resume();
        socket.end(toClient);
      });
      assert.equal(await slowHash(tunnel.client), hashes.toClient);
    },
  },
  {
    name: 'the client sends 4 MB and ends, the target reads slowly',
    needs: 'ours',
    run: async (pair) => {
      const received = Promise.withResolvers<string>();
      await using tunnel = await open(pair, (socket) => void slowHash(socket).then(received.resolve, received.reject));
      tunnel.client.resume();
      tunnel.client.end(toTarget);
      assert.equal(await received.promise, hashes.toTarget);
    },
  },
  {
    name: 'the client sends 4 MB and is gone, the target reads slowly',
    needs: 'ours',
    run: async (pair) => {
      const received = Promise.withResolvers<string>();
      await using tunnel = await open(pair, (socket) => void slowHash(socket).then(received.resolve, received.reject));
      tunnel.client.end(toTarget);
      await once(tunnel.client, 'finish');
      // A gRPC client that is gone at once has cancelled its call, which drops what is on its way.
      if (isSocket(tunnel.client)) tunnel.client.destroy();

      assert.equal(await received.promise, hashes.toTarget);
    },
  },
  {
    name: 'the target sends 4 MB and is gone while the client goes on sending',
    needs: 'any',
    run: async (pair) => {
      await using tunnel = await open(pair, (socket) => {
        socket.resume();
        socket.end(toClient, () => setTimeout(() => socket.destroy(), 1000));
      });
      const sending = setInterval(() => tunnel.client.writable && tunnel.client.write('more'), 20);
      tunnel.client.on('error', () => {}); // what is sent to somebody who is gone may come back as a reset, behind all bytes
      try {
        assert.equal(await slowHash(tunnel.client), hashes.toClient);
      } finally {
        clearInterval(sending);
      }
    },
  },
  {
    name: 'both send 4 MB and end at once, both read slowly',
    needs: 'half-close',
    run: async (pair) => {
      const received = Promise.withResolvers<string>();
      await using tunnel = await open(pair, (socket) => {
        void slowHash(socket).then(received.resolve, received.reject);
        socket.end(toClient);
      });
      tunnel.client.end(toTarget);
      assert.equal(await slowHash(tunnel.client), hashes.toClient);
      assert.equal(await received.promise, hashes.toTarget);
    },
  },
  {
    name: 'the client ends at once, the target answers with 4 MB',
    needs: 'half-close',
    run: async (pair) => {
      await using tunnel = await open(pair, (socket) => {
        socket.resume();
        socket.once('end', () => socket.end(toClient));
      });
      tunnel.client.end();
      assert.equal(await slowHash(tunnel.client), hashes.toClient);
    },
  },
  {
    name: 'the target ends at once, the client answers with 4 MB',
    needs: 'half-close',
    run: async (pair) => {
      const received = Promise.withResolvers<string>();
      await using tunnel = await open(pair, (socket) => {
        socket.end();
        void slowHash(socket).then(received.resolve, received.reject);
      });
      tunnel.client.resume();
      await once(tunnel.client, 'end');
      tunnel.client.end(toTarget);
      assert.equal(await received.promise, hashes.toTarget);
    },
  },
];

interface TunnelToTarget extends AsyncDisposable {
  /** Paused. */
  readonly client: Duplex;
}

/** A tunnel to a target of its own. */
async function open(pair: TunnelPair, serve: (socket: Socket) => void): Promise<TunnelToTarget> {
  const target = await listenTarget(serve);
  const client = await pair.open(`127.0.0.1:${target.port}`);
  client.pause();
  return {
    client,
    [Symbol.asyncDispose]() {
      client.destroy();
      return target[Symbol.asyncDispose]();
    },
  };
}

function nextChunk(stream: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    stream.once('data', resolve);
    stream.once('close', () => reject(new Error('it ended without a word')));
    stream.resume();
  });
}

async function slowHash(stream: Duplex): Promise<string> {
  const sum = createHash('sha256');
  await readSlowly(stream, (chunk) => void sum.update(chunk));
  return sum.digest('hex');
}

function isSocket(stream: Duplex): stream is Socket {
  return 'remoteAddress' in stream;
}

for (const ends of tunnelEnds.filter(({ server }) => server === 'ours')) {
  for (const mode of ['http-connect', 'grpc'] as const) {
    const combination = { ...ends, mode };
    describe(nameOf(combination), { skip: missingEnds(ends) ?? false }, () => suite(combination));
  }
}
