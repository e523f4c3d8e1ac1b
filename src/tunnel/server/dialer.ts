import type { Logger } from '../../lib/log.ts';
import type { TunnelConnection } from '../tunnel-connection.ts';
import type { BackendRegistry } from './backend-registry.ts';
import { DialError } from './dial-error.ts';
import type { ServerMetrics } from './server-metrics.ts';

export interface DialerOptions {
  readonly registry: BackendRegistry;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  /** For the agent's answer. */
  readonly dialTimeoutMs: number;
}

export interface TunnelDial {
  readonly protocol: string;
  readonly address: string;
  readonly signal: AbortSignal;
}

/** Opens connections through whichever agent the strategies choose: what every front end dials with. @throws {DialError} */
export type TunnelDialer = (dial: TunnelDial) => Promise<TunnelConnection>;

export function tunnelDialer({ registry, metrics, log, dialTimeoutMs }: DialerOptions): TunnelDialer {
  return async ({ protocol, address, signal }) => {
    try {
      const backend = registry.find(address);
      if (!backend) throw new DialError('no_agent', 'No agent available');
      return await backend.dial({ protocol, address, signal, timeoutMs: dialTimeoutMs });
    } catch (error) {
      if (error instanceof DialError) {
        metrics.countDialFailure(error.reason);
        log.debug('Dial failed', { address, reason: error.reason, error: error.message });
      }
      throw error;
    }
  };
}
