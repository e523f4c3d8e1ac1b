import type { ResourceInfo } from '../api/resource-info.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Store } from '../storage/store.ts';
import type { AdmissionPlugin } from './admission/admission.ts';
import type { ServedResource } from './served-resource.ts';
import type { StoreFeed } from './store-feed.ts';

/** What every verb works with: one for each API server. */
export interface ApiServices {
  readonly store: Store;
  readonly feed: StoreFeed;
  readonly objects: ObjectSource;
  readonly admission: readonly AdmissionPlugin[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly eventLeases: EventLeases;
  /** @throws Error for a resource that is not stored */
  resource(info: ResourceInfo): ServedResource;
  readonly watch: {
    readonly maxQueueBytes: number;
    readonly minTimeoutSeconds: number;
    readonly onOverflow: (resource: ResourceInfo) => void;
  };
}

/** Leases that let events expire, shared by many events each. */
export interface EventLeases {
  /** The lease to put the next event with. */
  next(): Promise<string>;
}
