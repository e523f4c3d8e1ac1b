import type { Logger } from '../../lib/log.ts';
import type { Balancer } from './balancer.ts';
import type { BoundAddress } from './bind-address.ts';

/** A listener that hands what comes to the endpoints of one port. */
export interface Forwarder extends AsyncDisposable {
  readonly bound: BoundAddress;
  /** The endpoints have changed. */
  refresh(): void;
  /** Takes nothing new; resolves when its connections have ended by themselves or by disposal. */
  retire(): Promise<void>;
}

export interface ForwarderOptions {
  readonly wanted: BoundAddress;
  readonly balancer: Balancer;
  readonly log: Logger;
}
