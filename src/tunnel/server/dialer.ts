import type { Logger } from '../../lib/log.ts';
import type { TunnelStream } from '../tunnel-stream.ts';
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
  /** Only through an agent that authenticated as this node. Absent: the strategies choose. */
  readonly node?: string | undefined;
  /** Hears the id of the chosen agent. */
  readonly onAgent?: ((agentId: string) => void) | undefined;
}

/** Opens connections through whichever agent the strategies choose: what every front end dials with. @throws {DialError} */
export type TunnelDialer = (dial: TunnelDial) => Promise<TunnelStream>;

export function tunnelDialer({ registry, metrics, log, dialTimeoutMs }: DialerOptions): TunnelDialer {
  return async ({ protocol, address, signal, node, onAgent }) => {
    try {
      const backend = node === undefined ? registry.find(address) : registry.findByNode(node);
      if (!backend) {
        throw new DialError(
          'no_agent',
          node === undefined ? 'No agent available' : `no agent of node ${node} is connected`,
        );
      }
      onAgent?.(backend.agentId);
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
