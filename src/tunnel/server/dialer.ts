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
  /** Through an agent of another server; `undefined` where none has one. */
  readonly forward?: ((dial: TunnelDial) => Promise<TunnelStream | undefined>) | undefined;
  /** Whether this server's own agents take no new dials because it is about to stop. @default never */
  readonly draining?: (() => boolean) | undefined;
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

export function tunnelDialer(options: DialerOptions): TunnelDialer {
  const { registry, metrics, log, dialTimeoutMs, forward, draining = () => false } = options;
  return async (dial) => {
    const { protocol, address, signal, node, onAgent } = dial;
    try {
      const found = node === undefined ? registry.find(address) : registry.findByNode(node);
      const backend = draining() ? undefined : found;
      if (!backend) {
        const forwarded = await forward?.(dial);
        if (forwarded) return forwarded;
        throw new DialError('no_agent', found ? 'No agent available: the server is stopping' : absence(node));
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

function absence(node: string | undefined): string {
  return node === undefined ? 'No agent available' : `no agent of node ${node} is connected`;
}
