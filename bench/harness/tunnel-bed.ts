import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import {
  type Combination,
  missingEnds,
  sameEnds,
  startPair,
  type TunnelPair,
} from '../../test/interop/konnectivity-pair.ts';
import type { TunnelWay } from './tunnel-client.ts';

export type TunnelKind = 'native' | 'konnectivity' | 'upstream';

/** What is measured side by side: the same load through each in turn, with one target for all. */
export interface TunnelBed extends AsyncDisposable {
  readonly pairs: ReadonlyMap<TunnelKind, TunnelPair>;
  way(kind: TunnelKind): TunnelWay;
  /** TLS from the load to the target, and nothing else. */
  readonly tls: TunnelWay;
  /** Where the target is without a tunnel. */
  readonly port: number;
}

const kindOf = ({ server, protocol }: Omit<Combination, 'mode'>): TunnelKind =>
  server === 'upstream' ? server : protocol;

/** The ends of one kind, where they can be run here. */
export function endsOf(kind: TunnelKind): Omit<Combination, 'mode'> | undefined {
  const ends = sameEnds.find((each) => kindOf(each) === kind);
  return ends && missingEnds(ends) === undefined ? ends : undefined;
}

/** Starts every kind that can be run here, with the HTTP CONNECT front end on a Unix socket and one agent each. */
export async function startTunnelBed(): Promise<TunnelBed> {
  await using opened = new AsyncDisposableStack();
  const target = opened.use(await startTarget());
  const pairs = new Map<TunnelKind, TunnelPair>();
  for (const ends of sameEnds) {
    if (endsOf(kindOf(ends))) pairs.set(kindOf(ends), opened.use(await startPair({ ...ends, mode: 'http-connect' })));
  }
  const owned = opened.move();
  return {
    pairs,
    port: target.port,
    tls: { tlsPort: target.tlsPort, ca: target.ca },
    way(kind) {
      const pair = pairs.get(kind);
      if (!pair) throw new Error(`There is no ${kind} tunnel here`);
      return { path: pair.address.path, target: `127.0.0.1:${target.port}` };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export interface TunnelTarget extends AsyncDisposable {
  readonly port: number;
  readonly tlsPort: number;
  readonly ca: string;
}

export async function startTarget(): Promise<TunnelTarget> {
  const child = fork(join(import.meta.dirname, 'tunnel-target-process.ts'), []);
  const [announced] = (await once(child, 'message')) as [{ port: number; tlsPort: number; ca: string }]; // what it sends
  return { ...announced, [Symbol.asyncDispose]: () => ended(child) };
}

/** Children of this kind end when their parent lets go of them. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  if (child.connected) child.disconnect();
  await exit;
}
