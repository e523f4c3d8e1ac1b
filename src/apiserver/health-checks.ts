import type { Store } from '../storage/store.ts';
import { type BootstrapHook, bootstrapHooks } from './bootstrap/cluster-objects.ts';
import type { HealthCheck } from './health.ts';
import type { StoreFeed } from './store-feed.ts';

/** The checks of `/healthz`, `/livez` and `/readyz`, with upstream's names. */
export function healthChecks(parts: {
  feed: StoreFeed;
  store: Store;
  state: { finished: ReadonlySet<BootstrapHook>; stopping: boolean };
}): HealthCheck[] {
  const { feed, store, state } = parts;
  const fail = (message: string) => {
    throw new Error(message);
  };
  return [
    { name: 'ping', check: () => {} },
    { name: 'log', check: () => {} },
    { name: 'etcd', check: async () => void (await store.get('/registry/health')) },
    { name: 'etcd-readiness', readinessOnly: true, check: async () => void (await store.get('/registry/health')) },
    {
      name: 'informer-sync',
      readinessOnly: true,
      check: () => (feed.healthy ? undefined : fail('the watch cache does not follow the store')),
    },
    ...bootstrapHooks.map(
      (hook): HealthCheck => ({
        name: `poststarthook/${hook}`,
        check: () => (state.finished.has(hook) ? undefined : fail('not finished')),
      }),
    ),
    {
      name: 'shutdown',
      readinessOnly: true,
      check: () => (state.stopping ? fail('process is shutting down') : undefined),
    },
  ];
}
