import type { KubeObject } from '../../api/object.ts';
import type { ApiClient, ResourceRef, WatchOptions } from '../../client/client.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { callCounter } from './lease-metrics.ts';

const prefix = 'konnectivity_network_proxy_agent_';

/** The client, with its lists and watches counted by upstream's agent metrics. Upstream counts watches among the lists; here each has its own. */
export function countLeaseCalls(client: ApiClient, metrics: Metrics): ApiClient {
  const lists = callCounter(metrics, {
    total: `${prefix}lease_lists_total`,
    latency: `${prefix}lease_list_latency_seconds`,
    what: 'lease list',
    codeLabel: 'http_response_code',
  });
  const watches = callCounter(metrics, {
    total: `${prefix}lease_watches_total`,
    latency: `${prefix}lease_watch_latency_seconds`,
    what: 'lease watch',
    codeLabel: 'http_response_code',
  });
  return {
    ...client,
    list: (resource, options) => lists.observe(() => client.list(resource, options)),
    async *watch<T extends KubeObject>(resource: ResourceRef, options: WatchOptions) {
      const events = client.watch<T>(resource, options)[Symbol.asyncIterator]();
      let next: IteratorResult<Awaited<ReturnType<typeof events.next>>['value']>;
      try {
        next = await watches.observe(() => events.next());
        while (next.done !== true) {
          yield next.value;
          next = await events.next();
        }
      } finally {
        await events.return?.();
      }
    },
  };
}
