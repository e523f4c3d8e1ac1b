import { ApiError } from '../../api/errors.ts';
import type { Metrics } from '../../lib/metrics.ts';

const buckets = [1e-6, 1e-5, 1e-4, 0.005, 0.025, 0.1, 0.5, 2.5, 12.5];

export interface CallCounter {
  /** Counts one call of the API by what it gave, and passes that on. */
  observe<T>(call: () => Promise<T>): Promise<T>;
}

export interface CallMetricNames {
  readonly total: string;
  readonly latency: string;
  /** `lease_list`: for the help texts. */
  readonly what: string;
  /** Upstream's server and agent name it differently. */
  readonly codeLabel: 'http_status_code' | 'http_response_code';
}

/** A counter and a histogram of one kind of API call, as upstream's lease metrics are made. */
export function callCounter(metrics: Metrics, { total, latency, what, codeLabel }: CallMetricNames): CallCounter {
  const count = metrics.counter({
    name: total,
    help: `Count of server responses from ${what} requests.`,
    labels: [codeLabel, 'reason'],
  });
  const histogram = metrics.histogram({
    name: latency,
    help: `Latency of ${what} requests in seconds.`,
    labels: [codeLabel],
    buckets,
  });
  return {
    async observe(call) {
      const startedMs = performance.now();
      const record = (code: number, reason: string) => {
        count.inc({ [codeLabel]: String(code), reason });
        histogram.observe({ [codeLabel]: String(code) }, (performance.now() - startedMs) / 1000);
      };
      try {
        const result = await call();
        record(200, '');
        return result;
      } catch (error) {
        // A connection that failed has no status: upstream counts it as -1.
        if (error instanceof ApiError) record(error.code, error.reason);
        else record(-1, '');
        throw error;
      }
    },
  };
}
