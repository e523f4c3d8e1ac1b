import type { Clock } from '../lib/clock.ts';
import type { Store } from '../storage/store.ts';
import type { EventLeases } from './services.ts';

const maxPerLease = 1000;

/**
 * One lease serves many events: it lives a little longer than they must and is taken anew when it is used up.
 * Source: k8s.io/apiserver `pkg/storage/etcd3/lease_manager.go`.
 */
export function shareEventLeases(
  store: Store,
  { ttlSeconds, clock }: { ttlSeconds: number; clock: Clock },
): EventLeases {
  const reuseSeconds = Math.min(ttlSeconds * 0.05, 60);
  let current: { id: Promise<string>; used: number; staleAtMs: number } | undefined;
  return {
    next() {
      if (!current || current.used >= maxPerLease || clock.now() >= current.staleAtMs) {
        const id = store.grantLease(Math.ceil(ttlSeconds + reuseSeconds)).then((lease) => lease.id);
        const mine = { id, used: 0, staleAtMs: clock.now() + reuseSeconds * 1000 };
        id.catch(() => {
          if (current === mine) current = undefined;
        });
        current = mine;
      }
      current.used++;
      return current.id;
    },
  };
}
