import type { AgentIdentifiers } from '../agent-identifiers.ts';
import type { TunnelStream } from '../tunnel-stream.ts';

export interface BackendDial {
  readonly protocol: string;
  /** `host:port` as the frontend wrote it. */
  readonly address: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** One connected agent as strategies and front ends see it, whichever protocol it speaks. */
export interface TunnelBackend {
  readonly protocol: 'native' | 'konnectivity';
  readonly agentId: string;
  readonly identifiers: AgentIdentifiers;
  /** Whose node it is, by the certificate or user that it authenticated with; `undefined` for other agents. */
  readonly nodeName: string | undefined;
  /** Whether new dials go elsewhere as long as there is an elsewhere. */
  readonly draining: boolean;
  /** Open ones. */
  readonly connections: number;
  /** @throws {DialError} */
  dial(dial: BackendDial): Promise<TunnelStream>;
  /** Tells the agent, where the protocol can, that this server will end soon. */
  announceDraining(): void;
  /** Ends the connection to the agent in good order; the agent connects again. */
  retire(): void;
}
