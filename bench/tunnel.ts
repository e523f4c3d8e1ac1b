import type { Area, Servers } from './harness/area.ts';
import { median } from './harness/load.ts';
import { digits, type Row, verdictOf } from './harness/table.ts';
import { agentsRows } from './harness/tunnel-agents.ts';
import { startTunnelBed, type TunnelBed, type TunnelKind } from './harness/tunnel-bed.ts';
import type { TunnelWay } from './harness/tunnel-client.ts';
import { besideStalled, dials, download, echoes, type Rate, type StallFigure, upload } from './harness/tunnel-load.ts';
import { memoryRows } from './harness/tunnel-memory.ts';
import { returnRows } from './harness/tunnel-return.ts';

/** The Konnectivity service: the native tunnel and upstream's protocol between our ends, beside upstream's server and agent. */
export const tunnelArea: Area = {
  name: 'tunnel',
  async run(servers) {
    const rows: Row[] = [];
    {
      await using bed = await startTunnelBed();
      rows.push(...(await throughputRows(bed, servers)), ...(await dialRows(bed, servers)));
      rows.push(...(await echoRows(bed, servers)), ...(await stallRows(bed, servers)));
    }
    rows.push(...(await memoryRows(servers)), ...(await returnRows(servers)), ...(await agentsRows(servers)));
    return rows;
  },
};

const protocols = { native: 'native', konnectivity: "upstream's protocol" } as const;
type Own = keyof typeof protocols;
/** Bounds as parts of upstream's figure in the same run. */
type Shares = Readonly<Record<Own, number>>;

interface Figure<T> {
  readonly figure: string;
  readonly measure: (way: TunnelWay) => Promise<T>;
  /** What several rounds are reduced by. */
  readonly value: (measured: T) => number;
  readonly shares: Shares;
  readonly better: 'more' | 'less';
  readonly show: (value: number) => string;
  /** The same without a tunnel. */
  readonly ceiling?: TunnelWay;
}

/** One row for each of our protocols, measured in turns with upstream. */
async function compare<T>(bed: TunnelBed, rounds: number, options: Figure<T>): Promise<Row[]> {
  const values = new Map<TunnelKind | 'ceiling', number[]>();
  const ways = new Map<TunnelKind | 'ceiling', TunnelWay>([...bed.pairs.keys()].map((kind) => [kind, bed.way(kind)]));
  if (options.ceiling) ways.set('ceiling', options.ceiling);
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of ways) {
      const value = options.value(await options.measure(way));
      values.set(name, [...(values.get(name) ?? []), value]);
    }
  }
  const middle = (name: TunnelKind | 'ceiling') => {
    const measured = values.get(name);
    return measured && median(measured);
  };
  const [upstream, ceiling] = [middle('upstream'), middle('ceiling')];
  return (['native', 'konnectivity'] as const).flatMap((kind) => {
    const ours = middle(kind);
    if (ours === undefined) return [];
    const { better, show } = options;
    const share = options.shares[kind];
    const ratio = upstream === undefined ? undefined : ours / upstream;
    return {
      figure: `${options.figure}, ${protocols[kind]}`,
      ours: show(ours),
      ...(ceiling !== undefined && { ceiling: `raw TLS: ${show(ceiling)}` }),
      ...(upstream !== undefined && { upstream: show(upstream) }),
      target: `${better === 'more' ? '≥' : '≤'} ${share} × upstream`,
      ...(ratio !== undefined && {
        ratio: `${digits(ratio)} × upstream`,
        verdict: verdictOf(better === 'more' ? ratio >= share : ratio <= share),
      }),
    };
  });
}

const megabytes = (value: number) => `${digits(value)} MB/s`;
const perSecond = (value: number) => `${digits(value)}/s`;
const milliseconds = (value: number) => `${digits(value)} ms`;
const same = (value: number) => value;

async function throughputRows(bed: TunnelBed, { quick, rounds }: Servers): Promise<Row[]> {
  const bytes = (quick ? 64 : 256) * 2 ** 20;
  const rows: Row[] = [];
  for (const [direction, move, shares] of [
    ['towards the client', download, { native: 2, konnectivity: 1.2 }],
    ['towards the node', upload, { native: 1.5, konnectivity: 1 }],
  ] as const) {
    for (const connections of [1, 16]) {
      const figure = `bytes ${direction}, ${connections} connection${connections > 1 ? 's' : ''}`;
      const measure = (way: TunnelWay) => move(way, { connections, bytes });
      const common = { value: same, better: 'more', show: megabytes, ceiling: bed.tls } as const;
      rows.push(...(await compare(bed, rounds, { ...common, figure, measure, shares })));
    }
  }
  return rows;
}

async function dialRows(bed: TunnelBed, { durationMs, rounds }: Servers): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [callers, native] of [
    [1, 1],
    [16, 2],
    [100, 2],
  ] as const) {
    const figure = `dials, ${callers} at a time`;
    const measure = (way: TunnelWay) => dials(way, { callers, durationMs });
    const value = (rate: Rate) => rate.perSecond;
    const shares = { native, konnectivity: 1 };
    rows.push(...(await compare(bed, rounds, { figure, measure, value, shares, better: 'more', show: perSecond })));
  }
  return rows;
}

async function echoRows(bed: TunnelBed, { durationMs, rounds }: Servers): Promise<Row[]> {
  const one = (way: TunnelWay) => echoes(way, { connections: 1, durationMs });
  const hundred = (way: TunnelWay) => echoes(way, { connections: 100, durationMs });
  const delays = { better: 'less', show: milliseconds, ceiling: bed.tls } as const;
  return [
    ...(await compare(bed, rounds, {
      ...delays,
      figure: '64-byte echo, 1 connection, p50',
      measure: one,
      value: (rate) => rate.p50Ms,
      shares: { native: 1, konnectivity: 1.3 },
    })),
    ...(await compare(bed, rounds, {
      ...delays,
      figure: '64-byte echo, 100 connections, p99',
      measure: hundred,
      value: (rate) => rate.p99Ms,
      shares: { native: 1, konnectivity: 1.3 },
    })),
    ...(await compare(bed, rounds, {
      figure: '64-byte echo, 100 connections',
      measure: hundred,
      value: (rate) => rate.perSecond,
      shares: { native: 1, konnectivity: 0.8 },
      better: 'more',
      show: perSecond,
      ceiling: bed.tls,
    })),
  ];
}

const keptShare = 0.95;
const dialGrowth = 2;

async function stallRows(bed: TunnelBed, { quick }: Servers): Promise<Row[]> {
  const figures = new Map<TunnelKind, StallFigure>();
  for (const kind of bed.pairs.keys()) {
    figures.set(kind, await besideStalled(bed.way(kind), { durationMs: quick ? 1000 : 3000 }));
  }
  const upstream = figures.get('upstream');
  return (['native', 'konnectivity'] as const).flatMap((kind) => {
    const ours = figures.get(kind);
    if (!ours) return [];
    const kept = ours.during / ours.before;
    const growth = ours.dialP99DuringMs / ours.dialP99BeforeMs;
    return [
      {
        figure: `4 downloads beside a stalled reader, ${protocols[kind]}`,
        ours: `${megabytes(ours.during)}, before ${megabytes(ours.before)}`,
        ...(upstream && { upstream: `${megabytes(upstream.during)}, before ${megabytes(upstream.before)}` }),
        ratio: `${digits(kept)} × before`,
        target: `≥ ${keptShare} × before`,
        verdict: verdictOf(kept >= keptShare),
      },
      {
        figure: `slowest of 20 dials beside a stalled reader, ${protocols[kind]}`,
        ours: `${milliseconds(ours.dialP99DuringMs)}, before ${milliseconds(ours.dialP99BeforeMs)}`,
        ...(upstream && { upstream: milliseconds(upstream.dialP99DuringMs).replace(/^– ms/, 'time out') }),
        ratio: `${digits(growth)} × before`,
        target: `< ${dialGrowth} × before`,
        verdict: verdictOf(growth < dialGrowth),
      },
    ];
  });
}
