import type { Socket } from 'node:net';
import type { QueueLimits } from '../queue-budget.ts';

export interface AgentServer {
  readonly host: string;
  readonly port: number;
  /** The name that the server's certificate must carry. @default `host` */
  readonly serverName?: string;
}

export interface AgentTls {
  /** Who the server must be of. PEM. */
  readonly ca: string;
  /** The agent's own, where the server asks for certificates. PEM texts. */
  readonly certificate?: { readonly certificate: string; readonly key: string };
  /** Offered before `h2`. */
  readonly alpnProtocols?: readonly string[];
}

export interface AgentConfig {
  readonly agentId: string;
  /** `--agent-identifiers`, as it is sent. */
  readonly identifiers?: string;
  /** Also the name that is verified. Resolved afresh at each connect; one of several addresses is taken at random. */
  readonly server: AgentServer;
  /** Read afresh at each connect, so that a getter may give renewed certificates. */
  readonly tls: AgentTls;
  /** Where servers are reached one by one, as known now; then `server` serves only for servers that are not among them. @default none */
  readonly addresses?: () => readonly AgentServer[];
  /** Opens the TCP connection, for those who must pass a proxy; `undefined` is a plain socket to one of the host's addresses. @default that */
  readonly openSocket?: (server: AgentServer, options: { readonly signal: AbortSignal }) => Promise<Socket | undefined>;
  /** Offers no native tunnel, also to servers that know it. @default false */
  readonly upstreamProtocolOnly?: boolean;
  /** Read afresh at each connect. */
  readonly readToken?: () => Promise<string>;
  /** Time between looks for more servers. @default 1000 */
  readonly syncIntervalMs?: number;
  /** Where waits after failures and duplicates end to grow. @default 3000 */
  readonly syncIntervalCapMs?: number;
  /** Goes on looking for servers when it has as many as it wants. */
  readonly syncForever?: boolean;
  /** How many servers to hold connections to, given what servers said last. @default what they said */
  readonly wantedServers?: (announced: number) => number;
  /** Upstream's servers allow a ping each 30 s. @default 35000 */
  readonly keepaliveMs?: number;
  /** How long the answer to a ping may take. @default 20000 */
  readonly pingTimeoutMs?: number;
  readonly queues?: QueueLimits;
}
