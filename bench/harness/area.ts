import { Connection } from './connection.ts';
import { type LoadFigure, medianOf } from './load.ts';
import type { Row } from './table.ts';
import { startBare, startOurs, startUpstream, type Target } from './target.ts';

/** One group of figures. */
export interface Area {
  readonly name: string;
  run(servers: Servers): Promise<Row[]>;
}

export type ServerName = 'ours' | 'bare' | 'upstream';

/** The same measurement on each server that is there. */
export type Compared = Partial<Record<ServerName, LoadFigure>> & { readonly ours: LoadFigure };

/** The servers that areas share: each is started when it is first asked for. */
export class Servers implements AsyncDisposable {
  readonly quick: boolean;
  /** Why there is no upstream to compare with. */
  readonly upstreamMissing: string | undefined;
  readonly #parts = new AsyncDisposableStack();
  readonly #started = new Map<ServerName, Promise<Target>>();

  constructor(options: { quick: boolean; upstreamMissing: string | undefined }) {
    this.quick = options.quick;
    this.upstreamMissing = options.upstreamMissing;
  }

  /** Length and number of the runs that make one figure. */
  get durationMs(): number {
    return this.quick ? 500 : 1000;
  }

  get rounds(): number {
    return this.quick ? 1 : 3;
  }

  /** Those with the Kubernetes API. */
  get apiServers(): readonly ('ours' | 'upstream')[] {
    return this.upstreamMissing === undefined ? ['ours', 'upstream'] : ['ours'];
  }

  get(name: ServerName): Promise<Target> {
    let target = this.#started.get(name);
    if (!target) {
      target = { ours: startOurs, bare: startBare, upstream: startUpstream }[name]();
      this.#started.set(name, target);
      void target.then(
        (started) => this.#parts.use(started),
        () => {}, // whoever asked gets the error
      );
    }
    return target;
  }

  /** Does `work` once on each API server, one after the other. */
  async each(work: (connection: Connection, name: ServerName) => Promise<void>): Promise<void> {
    for (const name of this.apiServers) {
      await using connection = await Connection.open((await this.get(name)).kubeconfig);
      await work(connection, name);
    }
  }

  /** Measures in turns, so that a change on the machine meets all alike, and takes the medians. */
  async compare(
    measure: (target: Target, name: ServerName, round: number) => Promise<LoadFigure>,
    options: { bare: boolean },
  ): Promise<Compared> {
    const names: ServerName[] = [...this.apiServers, ...(options.bare ? (['bare'] as const) : [])];
    const figures = new Map<ServerName, LoadFigure[]>();
    for (let round = 0; round < this.rounds; round++) {
      for (const name of names) {
        const figure = await measure(await this.get(name), name, round);
        figures.set(name, [...(figures.get(name) ?? []), figure]);
      }
    }
    const [upstream, bare] = [figures.get('upstream'), figures.get('bare')];
    return {
      ours: medianOf(figures.get('ours') ?? []),
      ...(upstream && { upstream: medianOf(upstream) }),
      ...(bare && { bare: medianOf(bare) }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#started.values());
    await this.#parts.disposeAsync();
  }
}
