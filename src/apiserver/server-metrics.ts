import type { Metrics } from '../lib/metrics.ts';
import type { InFlight } from './in-flight.ts';
import type { LongRunning } from './long-running.ts';
import type { StoreFeed } from './store-feed.ts';

/** Figures that other parts keep anyway, read at each scrape. Names are upstream's. */
export function registerServerMetrics(
  metrics: Metrics,
  {
    feed,
    inFlight,
    longRunning,
    connections,
  }: { feed: StoreFeed; inFlight: InFlight; longRunning: LongRunning; connections: () => number },
): void {
  metrics.gauge({
    name: 'apiserver_current_inflight_requests',
    help: 'Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
    labels: ['request_kind'],
    collect(gauge) {
      gauge.set({ request_kind: 'readOnly' }, inFlight.reads);
      gauge.set({ request_kind: 'mutating' }, inFlight.writes);
    },
  });
  metrics.gauge({
    name: 'apiserver_longrunning_requests',
    help: 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
    labels: ['verb', 'group', 'version', 'resource', 'subresource', 'component'],
    collect(gauge) {
      gauge.reset();
      for (const { labels, count } of longRunning.series()) gauge.set({ ...labels, component: 'apiserver' }, count);
    },
  });
  metrics.gauge({
    name: 'apiserver_storage_objects',
    help: 'Number of stored objects at the time of last check split by kind.',
    labels: ['resource'],
    collect(gauge) {
      for (const { resource, size } of feed.caches) gauge.set({ resource: labelOf(resource) }, size);
    },
  });
  metrics.counter({
    name: 'apiserver_watch_events_total',
    help: 'Number of events sent in watch clients',
    labels: ['group', 'version', 'resource'],
    collect(counter) {
      counter.reset();
      for (const { resource, delivered } of feed.caches) {
        if (delivered > 0)
          counter.inc({ group: resource.group, version: resource.version, resource: resource.resource }, delivered);
      }
    },
  });
  metrics.gauge({
    name: 'apiserver_registered_watchers',
    help: 'Number of currently registered watchers for a given resources',
    labels: ['group', 'version', 'resource'],
    collect(gauge) {
      gauge.reset();
      for (const { resource, watcherCount } of feed.caches) {
        if (watcherCount > 0)
          gauge.set({ group: resource.group, version: resource.version, resource: resource.resource }, watcherCount);
      }
    },
  });
  metrics.gauge({
    name: 'fairlead_apiserver_connections',
    help: 'Open TLS connections.',
    collect: (gauge) => gauge.set(connections()),
  });
}

function labelOf({ group, resource }: { group: string; resource: string }): string {
  return group === '' ? resource : `${resource}.${group}`;
}
