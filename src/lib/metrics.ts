import { createRequire } from 'node:module';
import type * as client from 'prom-client';

// Its parts one by one: the index also loads OpenTelemetry, a push gateway and collectors, 30 ms and 7 MB at each start.
const require = createRequire(import.meta.url);
const Counter: typeof client.Counter = require('prom-client/lib/counter.js');
const Gauge: typeof client.Gauge = require('prom-client/lib/gauge.js');
const Histogram: typeof client.Histogram = require('prom-client/lib/histogram.js');
const Registry: typeof client.Registry = require('prom-client/lib/registry.js');

export type Counter<T extends string = string> = client.Counter<T>;
export type Gauge<T extends string = string> = client.Gauge<T>;
export type Histogram<T extends string = string> = client.Histogram<T>;

export interface MetricOptions {
  /** As upstream names it where upstream has it, for example `apiserver_request_total`. */
  name: string;
  help: string;
  /** @default none */
  labels?: readonly string[];
}

/**
 * The metrics of one component. There is no global registry: several clusters live in one process.
 * Asking twice for one name gives the same metric.
 */
export class Metrics {
  readonly #registry = new Registry();

  /** `collect` brings it up to date at each scrape (`reset`, then `inc`), for figures that something else already counts. */
  counter(options: MetricOptions & { collect?: (counter: Counter<string>) => void }): Counter<string> {
    const { name, help, labels = [], collect } = options;
    const known = this.#registry.getSingleMetric(name);
    if (known) return known as Counter<string>; // names are unique to one kind of metric
    const counter: Counter<string> = new Counter({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      ...(collect && { collect: () => collect(counter) }),
    });
    return counter;
  }

  /** `collect` sets the value at each scrape, for figures that something else already counts. */
  gauge(options: MetricOptions & { collect?: (gauge: Gauge<string>) => void }): Gauge<string> {
    const { name, help, labels = [], collect } = options;
    const known = this.#registry.getSingleMetric(name);
    if (known) return known as Gauge<string>;
    const gauge: Gauge<string> = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      ...(collect && { collect: () => collect(gauge) }),
    });
    return gauge;
  }

  histogram(options: MetricOptions & { buckets: readonly number[] }): Histogram<string> {
    const { name, help, labels = [], buckets } = options;
    const known = this.#registry.getSingleMetric(name);
    if (known) return known as Histogram<string>;
    return new Histogram({
      name,
      help,
      labelNames: [...labels],
      buckets: [...buckets],
      registers: [this.#registry],
    });
  }

  /** The Prometheus text format, version 0.0.4. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** The media type of {@link Metrics.render}. */
export const metricsContentType = 'text/plain; version=0.0.4; charset=utf-8';
