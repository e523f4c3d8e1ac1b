import type { Metrics } from '../../lib/metrics.ts';

export interface Observation {
  readonly name: string;
  readonly type: 'admit' | 'validating';
  readonly operation: string;
  readonly seconds: number;
  /** HTTP status; 200 for an answer that allows. */
  readonly code: number;
  readonly rejection?: 'calling_webhook_error' | 'no_error' | 'apiserver_internal_error';
  readonly failedOpen?: boolean;
}

/** Upstream's metrics of admission webhooks. */
export class WebhookMetrics {
  readonly #durations;
  readonly #requests;
  readonly #rejections;
  readonly #failOpens;

  constructor(metrics: Metrics) {
    this.#durations = metrics.histogram({
      name: 'apiserver_admission_webhook_admission_duration_seconds',
      help: 'Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
      labels: ['name', 'type', 'operation', 'rejected'],
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25],
    });
    this.#requests = metrics.counter({
      name: 'apiserver_admission_webhook_request_total',
      help: 'Admission webhook request total, identified by name and broken out for each admission type (validating or mutating) and operation.',
      labels: ['name', 'type', 'operation', 'code', 'rejected'],
    });
    this.#rejections = metrics.counter({
      name: 'apiserver_admission_webhook_rejection_count',
      help: 'Admission webhook rejection count, identified by name and broken out for each admission type (validating or admit) and operation.',
      labels: ['name', 'type', 'operation', 'error_type', 'rejection_code'],
    });
    this.#failOpens = metrics.counter({
      name: 'apiserver_admission_webhook_fail_open_count',
      help: 'Admission webhook fail open count, identified by name and broken out for each admission type (validating or mutating).',
      labels: ['name', 'type'],
    });
  }

  observe({ name, type, operation, seconds, code, rejection, failedOpen = false }: Observation): void {
    const rejected = String(rejection !== undefined);
    const shownCode = String(Math.min(code, 600)); // as upstream, so that a webhook cannot make up ever new labels
    this.#durations.observe({ name, type, operation, rejected }, seconds);
    this.#requests.inc({ name, type, operation, code: shownCode, rejected });
    if (rejection) {
      this.#rejections.inc({ name, type, operation, error_type: rejection, rejection_code: shownCode });
    }
    if (failedOpen) this.#failOpens.inc({ name, type });
  }
}
