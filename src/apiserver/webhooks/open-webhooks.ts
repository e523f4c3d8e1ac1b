import type { ObjectSource } from '../../auth/object-source.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Dial } from '../../stream/dial.ts';
import type { AdmissionPlugin } from '../admission/admission.ts';
import { BackendPool } from '../backends/backend-pool.ts';
import type { DestinationOptions } from '../destinations/destination.ts';
import { MutatingWebhooks } from './mutating-webhooks.ts';
import { ValidatingWebhooks } from './validating-webhooks.ts';
import { WebhookMetrics } from './webhook-metrics.ts';

export interface WebhooksOptions {
  readonly objects: ObjectSource;
  readonly destinations: DestinationOptions;
  readonly dial: Dial;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** The two admission plugins that ask webhooks, and the connections they share. */
export interface Webhooks extends Disposable {
  readonly mutating: AdmissionPlugin;
  readonly validating: AdmissionPlugin;
}

export function openWebhooks({ objects, destinations, dial, metrics, log }: WebhooksOptions): Webhooks {
  using parts = new DisposableStack();
  const pool = parts.use(new BackendPool({ dial }));
  const dependencies = { pool, objects, destinations, metrics: new WebhookMetrics(metrics), log };
  const mutating = parts.use(new MutatingWebhooks(dependencies));
  const validating = parts.use(new ValidatingWebhooks(dependencies));
  const owned = parts.move();
  return { mutating, validating, [Symbol.dispose]: () => owned.dispose() };
}
