import type { PlainHandler } from '../plain-listener.ts';
import type { QueueLimits } from '../queue-budget.ts';
import type { AgentTokens } from './agent-authentication.ts';
import type { ProxyStrategy } from './backend-registry.ts';
import type { ListenAddress } from './listen-address.ts';
import type { PeersConfig } from './peers.ts';
import type { ServerTls } from './server-tls.ts';

/** A plain HTTP port: `host` empty for all addresses. */
export interface PlainAddress {
  readonly host: string;
  readonly port: number;
}

/** Where dials come in from other processes. TCP needs TLS with client certificates. */
export interface FrontendConfig {
  readonly mode: 'grpc' | 'http-connect';
  readonly address: ListenAddress;
  readonly tls?: ServerTls;
}

export interface KonnectivityConfig {
  readonly serverId: string;
  /** How many servers there are: agents connect until they have as many. @default 1 */
  readonly serverCount?: number;
  /** Where agents connect. Absent where all come by listeners of somebody else's. */
  readonly agents?: { readonly address: ListenAddress; readonly tls: ServerTls; readonly tokens?: AgentTokens };
  /** Absent where all dials come from this process. */
  readonly frontend?: FrontendConfig;
  readonly health?: PlainAddress;
  readonly admin?: PlainAddress;
  /** Believes what an agent with a node's certificate says about its host and addresses, as upstream does. @default false */
  readonly trustIdentifiers?: boolean;
  /** The addresses that each node may claim. @default none */
  readonly nodeAddresses?: (node: string) => readonly string[];
  /** In order: the first that finds an agent wins. @default ['default'] */
  readonly strategies?: readonly ProxyStrategy[];
  /** How often an idle agent is pinged. @default 10000 */
  readonly keepaliveMs?: number;
  /** How often an idle frontend is pinged. @default 3600000 */
  readonly frontendKeepaliveMs?: number;
  /** How long an agent may take to answer a dial. @default 60000 */
  readonly dialTimeoutMs?: number;
  /** Other servers: where no agent is here for a dial, one of theirs takes it. Needs `agents` with a client CA. @default none */
  readonly peers?: PeersConfig;
  /** How long the answer to a ping may take. @default 20000 */
  readonly pingTimeoutMs?: number;
  /** Answers on the admin port beside `/metrics`. @default none */
  readonly adminRoutes?: Readonly<Record<string, PlainHandler>>;
  readonly queues?: QueueLimits;
}
