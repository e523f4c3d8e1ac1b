import type { RequestInfo } from './request-info.ts';

export interface LongRunningSeries {
  readonly labels: {
    readonly verb: string;
    readonly group: string;
    readonly version: string;
    readonly resource: string;
    readonly subresource: string;
  };
  readonly count: number;
}

/** Counts watches, execs and the like while they last. */
export class LongRunning {
  readonly #series = new Map<string, { labels: LongRunningSeries['labels']; count: number }>();

  /** Counts until disposed. */
  enter({ verb, group, version, resource, subresource }: RequestInfo): Disposable {
    const key = `${verb}|${group}|${version}|${resource}|${subresource}`;
    const series = this.#series.get(key) ?? {
      labels: { verb: verb.toUpperCase(), group, version, resource, subresource },
      count: 0,
    };
    this.#series.set(key, series);
    series.count++;
    return {
      [Symbol.dispose]: () => {
        series.count--;
        if (series.count === 0) this.#series.delete(key);
      },
    };
  }

  series(): Iterable<LongRunningSeries> {
    return this.#series.values();
  }
}

/** Requests that last as long as their clients want. */
export function isLongRunning({ verb, subresource, isResourceRequest }: RequestInfo): boolean {
  return isResourceRequest && (verb === 'watch' || verb === 'proxy' || longSubresources.has(subresource));
}

const longSubresources: ReadonlySet<string> = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);
