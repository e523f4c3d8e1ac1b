import { randomBytes } from 'node:crypto';
import { ApiError } from '../api/errors.ts';
import type { Event, ObjectReference } from '../api/kubernetes/core-v1.ts';
import type { KubeObject } from '../api/object.ts';
import { type Clock, formatTime, systemClock } from '../lib/clock.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { ApiClient } from './client.ts';
import { events } from './resources.ts';

export interface EventRecorderOptions {
  readonly client: ApiClient;
  /** `source.component` and `reportingComponent`. */
  readonly component: string;
  /** `source.host`, for a kubelet. */
  readonly host?: string;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** For example `spec.containers{web}`. */
  readonly fieldPath?: string;
}

/** Events not yet written; more are dropped. */
const maxQueued = 500;
/** Remembered for counting repeats; the oldest is forgotten first. */
const maxRemembered = 1_024;
/** As upstream's spam filter: 25 at once for one object, then one in five minutes. */
const burst = 25;
const refillMs = 300_000;
const maxBuckets = 1_024;

interface Remembered {
  readonly namespace: string;
  readonly name: string;
  count: number;
}

/** Writes core/v1 events in the background; the same event again raises its count. Nothing waits for it, and nothing fails by it. */
export class EventRecorder implements AsyncDisposable {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #remembered = new Map<string, Remembered>();
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();
  readonly #queue: (() => Promise<void>)[] = [];
  readonly #controller = new AbortController();
  #draining: Promise<void> | undefined;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLogger;
  }

  /** `object` needs kind, apiVersion, name and, where it has them, namespace and uid. */
  record(object: KubeObject, text: EventText): void {
    const target = referenceTo(object, text.fieldPath);
    if (this.#queue.length >= maxQueued || !this.#takeToken(target)) {
      this.#log.debug('Event dropped', { reason: text.reason, object: target.name });
      return;
    }
    const atMs = this.#clock.now();
    this.#queue.push(() => this.#write(target, text, atMs));
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  /** Resolves when all that was recorded so far is written or given up. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#queue.length = 0;
    this.#controller.abort(new Error('The event recorder was closed'));
    await this.#draining;
  }

  async #drain(): Promise<void> {
    for (let write = this.#queue.shift(); write; write = this.#queue.shift()) {
      try {
        await write();
      } catch (error) {
        if (!this.#controller.signal.aborted) this.#log.debug('Cannot write an event', { error });
      }
    }
  }

  async #write(target: ObjectReference, text: EventText, atMs: number): Promise<void> {
    const { client } = this.#options;
    const { signal } = this.#controller;
    const key = JSON.stringify([target, text.type, text.reason, text.message]);
    const known = this.#remembered.get(key);
    if (known) {
      known.count++;
      const patch = { count: known.count, lastTimestamp: formatTime(atMs) };
      const type = 'application/strategic-merge-patch+json';
      try {
        await client.patch(events, { namespace: known.namespace, name: known.name }, patch, { type, signal });
        return;
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'NotFound') throw error;
        this.#remembered.delete(key); // It has expired: begin again.
      }
    }
    const event = this.#eventFor(target, text, atMs);
    await client.create<Event>(events, event, { signal });
    this.#remember(key, { namespace: event.metadata.namespace ?? '', name: event.metadata.name ?? '', count: 1 });
  }

  #remember(key: string, value: Remembered): void {
    this.#remembered.set(key, value);
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size <= maxRemembered) return;
      this.#remembered.delete(oldest);
    }
  }

  #eventFor(target: ObjectReference, { type, reason, message }: EventText, atMs: number): Event {
    const { component, host } = this.#options;
    const time = formatTime(atMs);
    const namespace = target.namespace ?? 'default';
    return {
      metadata: { name: `${target.name}.${randomBytes(8).toString('hex')}`, namespace },
      involvedObject: target,
      reason,
      message: message.slice(0, 1024),
      source: { component, ...(host !== undefined && { host }) },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
      type,
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  #takeToken({ uid, kind, namespace, name }: ObjectReference): boolean {
    const key = uid ?? `${kind}/${namespace}/${name}`;
    const nowMs = this.#clock.now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.atMs) / refillMs);
    bucket.atMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    const oldest = this.#buckets.keys().next().value;
    if (this.#buckets.size > maxBuckets && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}

function referenceTo({ kind, apiVersion, metadata }: KubeObject, fieldPath: string | undefined): ObjectReference {
  return {
    ...(kind !== undefined && { kind }),
    ...(metadata?.namespace !== undefined && { namespace: metadata.namespace }),
    ...(metadata?.name !== undefined && { name: metadata.name }),
    ...(metadata?.uid !== undefined && { uid: metadata.uid }),
    ...(apiVersion !== undefined && { apiVersion }),
    ...(fieldPath !== undefined && { fieldPath }),
  };
}
