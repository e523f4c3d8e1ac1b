import type { Logger } from '../../lib/log.ts';
import type { QueueBudget } from '../queue-budget.ts';
import type { AgentMetrics } from './agent-metrics.ts';

/** The agent's end of a tunnel to one server, whichever protocol it speaks. */
export interface AgentConnection {
  readonly serverId: string;
  /** Connections to targets, dials included. */
  readonly connections: number;
  /** Whether it ended. */
  readonly over: boolean;
  /** Asks the server to prefer other agents. */
  drain(): void;
  close(): void;
}

export interface AgentConnectionOptions {
  readonly budget: QueueBudget;
  readonly metrics: AgentMetrics;
  readonly log: Logger;
  /** Called once. */
  readonly onEnd: (connection: AgentConnection, error: Error | undefined) => void;
  /** The server will end soon: another is to be found. Servers of upstream's do not say so. */
  readonly onServerDraining?: (connection: AgentConnection) => void;
}

/** A server that was reached and said who it is; the agent now serves it or not. */
export interface ServerLink {
  readonly serverId: string;
  readonly serverCount: number;
  /** Begins to dial for it. */
  serve(options: AgentConnectionOptions): AgentConnection;
  /** Goes away: there is a connection to this server already. */
  discard(): void;
}
