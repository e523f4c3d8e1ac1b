import type { RequestInfo } from './request-info.ts';

/** Upstream's buckets of `apiserver_request_duration_seconds`. */
const buckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
] as const;

interface Series {
  readonly labels: string;
  readonly counts: Float64Array;
  count: number;
  sum: number;
}

/** Series are few, as their labels come from the scheme; should they not be, further ones are counted as one. */
const maxSeries = 10_000;

const verbs: Readonly<Record<string, string>> = {
  create: 'POST',
  update: 'PUT',
  deletecollection: 'DELETECOLLECTION',
  proxy: 'CONNECT',
};

/**
 * Counts and times requests: on every request's path, and so counted here and not by the metrics library, which would take longer than the rest
 * of the pipeline. Names and labels are upstream's.
 */
export class RequestMetrics {
  readonly #durations = new Map<string, Series>();
  readonly #totals = new Map<string, { labels: string; count: number }>();

  /** `known`: the resource exists; what clients make up is not made a label. */
  observe(
    info: RequestInfo,
    outcome: { code: number; seconds: number; known: boolean; dryRun: boolean; longRunning: boolean },
  ): void {
    const { code, seconds, known, dryRun, longRunning } = outcome;
    const verb = verbs[info.verb] ?? info.verb.toUpperCase();
    const key = known
      ? `${verb}|${info.group}|${info.version}|${info.resource}|${info.subresource}|${scopeOf(info)}|${dryRun}`
      : `${knownMethods.has(verb) ? verb : 'OTHER'}|||||${scopeOf(info)}|${dryRun}`;
    this.#count(`${key}|${code}`, key, code);
    if (longRunning) return;
    const series = this.#series(key);
    series.count++;
    series.sum += seconds;
    for (let i = 0; i < buckets.length; i++) {
      if (seconds > (buckets[i] as number)) continue;
      series.counts[i] = (series.counts[i] as number) + 1;
      break;
    }
  }

  /** In the Prometheus text format. */
  render(): string {
    const lines = [
      '# HELP apiserver_request_total Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
      '# TYPE apiserver_request_total counter',
    ];
    for (const { labels, count } of this.#totals.values()) lines.push(`apiserver_request_total{${labels}} ${count}`);
    const name = 'apiserver_request_duration_seconds';
    lines.push(
      `# HELP ${name} Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.`,
      `# TYPE ${name} histogram`,
    );
    for (const { labels, counts, count, sum } of this.#durations.values()) {
      let total = 0;
      for (const [i, le] of buckets.entries()) {
        total += counts[i] as number;
        lines.push(`${name}_bucket{${labels},le="${le}"} ${total}`);
      }
      lines.push(
        `${name}_bucket{${labels},le="+Inf"} ${count}`,
        `${name}_sum{${labels}} ${sum}`,
        `${name}_count{${labels}} ${count}`,
      );
    }
    return `${lines.join('\n')}\n`;
  }

  #count(key: string, labelKey: string, code: number): void {
    const found = this.#totals.get(key);
    if (found) found.count++;
    else if (this.#totals.size < maxSeries)
      this.#totals.set(key, { labels: `${labelsOf(labelKey)},code="${code}"`, count: 1 });
  }

  #series(key: string): Series {
    let series = this.#durations.get(key);
    if (!series) {
      series = { labels: labelsOf(key), counts: new Float64Array(buckets.length), count: 0, sum: 0 };
      if (this.#durations.size < maxSeries) this.#durations.set(key, series);
    }
    return series;
  }
}

const knownMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'LIST',
  'WATCH',
]);

function scopeOf({ name, namespace, isResourceRequest, verb }: RequestInfo): string {
  if (!isResourceRequest) return '';
  if (name !== '' || verb === 'create') return 'resource';
  return namespace === '' ? 'cluster' : 'namespace';
}

function labelsOf(key: string): string {
  const [verb, group, version, resource, subresource, scope, dryRun] = key.split('|');
  const dry = dryRun === 'true' ? 'All' : '';
  return `component="apiserver",dry_run="${dry}",group="${group}",resource="${resource}",scope="${scope}",subresource="${subresource}",verb="${verb}",version="${version}"`;
}
