import type { ApiClient } from '../client/client.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { SharedInformers } from './shared-informers.ts';

/** What a controller works with. */
export interface ControllerContext {
  readonly name: string;
  /** Writes with the controller's own identity; reads what no informer holds. */
  readonly client: ApiClient;
  /** Reads with the manager's identity; objects are shared and must not be changed. */
  readonly informers: SharedInformers;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Starts a controller; disposal ends it. */
export type StartController = (context: ControllerContext) => AsyncDisposable;
