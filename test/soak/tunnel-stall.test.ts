import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { type Combination, missingEnds, nameOf, startPair, tunnelEnds } from '../interop/konnectivity-pair.ts';
import { listenDeaf, listenEcho, listenEndless, pushInto, residentMb, soakFactor } from './tunnel-bed.ts';

const liveStreams = 500;
const stallMs = 12_000 * soakFactor;
/** What the buffers of two stalled connections and of 500 live ones may take beside what the programs have at their start. */
const memoryBoundMb = 120;
/** How much of that may come in the second half: it is to be flat. */
const memoryDriftMb = 12;

for (const ends of tunnelEnds.filter(({ server }) => server === 'ours')) {
  for (const mode of ends.agent === 'ours' ? (['http-connect', 'grpc'] as const) : (['http-connect'] as const)) {
    const combination = { ...ends, mode };
    test(
      `readers that stop on either side hold up nobody: ${nameOf(combination)}`,
      {
        skip: missingEnds(ends) ?? false,
        timeout: stallMs + 100_000,
      },
      (context) => outlivesStalls(combination, (text) => context.diagnostic(text)),
    );
  }
}

async function outlivesStalls(combination: Combination, report: (text: string) => void): Promise<void> {
  await using endless = await listenEndless();
  await using deaf = await listenDeaf();
  await using echo = await listenEcho();
  await using pair = await startPair(combination);
  const memoryMb = () => [pair.server, pair.agent].map(({ child }) => residentMb(child.pid));

  const streams: EchoStream[] = [];
  for (let left = combination.mode === 'grpc' ? liveStreams / 5 : liveStreams; left > 0; left -= 25) {
    const opened = Array.from({ length: 25 }, () => pair.open(`127.0.0.1:${echo.port}`));
    streams.push(...(await Promise.all(opened)).map((stream) => new EchoStream(stream)));
  }
  const before = memoryMb();
  const stop = new AbortController();
  const stalledReader = await pair.open(`127.0.0.1:${endless.port}`);
  stalledReader.on('error', () => {}); // with an upstream agent it is closed
  const stalledTarget = await pair.open(`127.0.0.1:${deaf.port}`);
  stalledTarget.on('error', () => {});
  // A target that takes nothing stops upstream's agent as a whole, whatever the server does.
  const pushing = combination.agent === 'ours' ? pushInto(stalledTarget, stop.signal) : Promise.resolve(0);
  stalledReader.once('data', () => stalledReader.pause()).resume();

  const running = streams.map((stream) => stream.run(stop.signal));
  const failed = Promise.race(running.map((each) => each.then(() => new Promise<never>(() => {}))));
  const samples: number[][] = [];
  const dialsMs: number[] = [];
  for (const startedMs = performance.now(); performance.now() - startedMs < stallMs; ) {
    const begin = performance.now();
    const fresh = new EchoStream(await Promise.race([pair.open(`127.0.0.1:${echo.port}`), failed]));
    await Promise.race([fresh.round(), failed]);
    fresh.end();
    dialsMs.push(performance.now() - begin);
    samples.push(memoryMb());
    await wait(250);
  }
  stop.abort();
  await Promise.all(running);
  const pushedMb = (await pushing) / 2 ** 20;
  const rounds = streams.map((stream) => stream.rounds);
  report(
    `${streams.length} streams made ${Math.min(...rounds)} to ${Math.max(...rounds)} rounds; a dial and a round took at most ` +
      `${Math.max(...dialsMs).toFixed(0)} ms; the stalled target took ${pushedMb.toFixed(1)} MB`,
  );
  assert.ok(Math.min(...rounds) >= stallMs / 5_000, `the slowest stream made ${Math.min(...rounds)} rounds`);
  for (const [end, name] of ['server', 'agent'].entries()) {
    if (name === 'agent' && combination.agent === 'upstream') continue;
    const seen = samples.map((sample) => sample[end] ?? 0);
    const half = Math.floor(seen.length / 2);
    const [early, late] = [Math.max(...seen.slice(0, half)), Math.max(...seen.slice(half))];
    report(
      `${name}: ${before[end]?.toFixed(0)} MB before, then up to ${early.toFixed(0)}, then up to ${late.toFixed(0)} MB`,
    );
    assert.ok(late - (before[end] ?? 0) < memoryBoundMb, `the ${name} grew to ${late} MB`);
    assert.ok(late - early < memoryDriftMb, `the ${name} grew from ${early} to ${late} MB`);
  }
  if (combination.agent === 'ours') {
    assert.equal(stalledReader.destroyed, false);
    const more = once(stalledReader, 'data');
    stalledReader.resume();
    await more; // who reads again gets more
  }
  for (const stream of [stalledReader, stalledTarget]) stream.destroy();
  for (const stream of streams) stream.end();
}

/** Sends 64 bytes and waits for them, four times a second. */
class EchoStream {
  rounds = 0;
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('error', () => {}); // seen as the close that follows it
  }

  /** @throws if it ends */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.round();
      await wait(250);
    }
  }

  round(): Promise<void> {
    const message = Buffer.alloc(64, this.rounds);
    return new Promise((resolve, reject) => {
      let received = Buffer.alloc(0);
      const lost = () => reject(new Error(`A stream was lost behind ${this.rounds} rounds`));
      const take = (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.length < message.length) return;
        this.#stream.off('data', take);
        this.#stream.off('close', lost);
        this.rounds++;
        if (received.equals(message)) resolve();
        else reject(new Error('A stream gave other bytes back'));
      };
      if (this.#stream.destroyed) lost();
      this.#stream.once('close', lost);
      this.#stream.on('data', take);
      this.#stream.resume();
      this.#stream.write(message);
    });
  }

  end(): void {
    this.#stream.destroy();
  }
}
