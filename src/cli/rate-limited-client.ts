import type { ApiClient } from '../client/client.ts';
import { pause } from '../client/deadline.ts';

export interface RateLimit {
  /** Calls per second in the long run; below zero there is no limit. */
  readonly qps: number;
  /** Calls that may follow each other at once. */
  readonly burst: number;
}

/** client-go's own. */
const defaults = { qps: 5, burst: 10 };

/** `--kubeconfig-qps` and `--kubeconfig-burst`: zero is the default of Kubernetes' clients. */
export function rateLimitOf({ qps, burst }: RateLimit): RateLimit {
  return { qps: qps || defaults.qps, burst: burst || defaults.burst };
}

/** The client, with its calls put off as client-go's token bucket does. A call that gives up leaves its place unused. */
export function limitRate(client: ApiClient, { qps, burst }: RateLimit): ApiClient {
  if (qps < 0) return client;
  /** When the bucket would be full again if nobody called. */
  let fullMs = performance.now();
  const turn = async (signal: AbortSignal | undefined) => {
    const nowMs = performance.now();
    fullMs = Math.max(nowMs, fullMs) + 1000 / qps;
    const waitMs = fullMs - nowMs - (burst * 1000) / qps;
    if (waitMs > 0) await pause(waitMs, signal ?? new AbortController().signal);
  };
  return {
    ...client,
    get: async (resource, ref, options) => {
      await turn(options?.signal);
      return client.get(resource, ref, options);
    },
    list: async (resource, options) => {
      await turn(options?.signal);
      return client.list(resource, options);
    },
    create: async (resource, object, options) => {
      await turn(options?.signal);
      return client.create(resource, object, options);
    },
    update: async (resource, object, options) => {
      await turn(options?.signal);
      return client.update(resource, object, options);
    },
    delete: async (resource, ref, options) => {
      await turn(options?.signal);
      return client.delete(resource, ref, options);
    },
    request: async (request, options) => {
      await turn(options?.signal);
      return client.request(request, options);
    },
  };
}
