import type { AgentIdentifiers } from '../agent-identifiers.ts';

export interface AgentClaim {
  /** Of the client certificate; absent without one. */
  readonly commonName: string | undefined;
  readonly identifiers: AgentIdentifiers;
}

export interface ClaimRules {
  /** The addresses that a node is known by. @default none, so that no node may claim one */
  readonly nodeAddresses?: (node: string) => readonly string[];
}

const nodePrefix = 'system:node:';

/**
 * Holds an agent that shows a node's certificate to that node: it may name no other host and no address but the node's own, so that one node cannot
 * draw another's traffic to itself. Upstream believes what agents say. Agents with other identities are the operator's, who vouches for them.
 * @throws an error whose message goes to the agent
 */
export function checkAgentClaim({ commonName, identifiers }: AgentClaim, { nodeAddresses }: ClaimRules): void {
  if (!commonName?.startsWith(nodePrefix)) return;
  const node = commonName.slice(nodePrefix.length);
  const otherHost = identifiers.host.find((host) => host !== node);
  if (otherHost !== undefined) throw new Error(`node ${node} may not be the agent of host ${otherHost}`);
  const own = nodeAddresses?.(node) ?? [];
  const otherAddress = [...identifiers.ipv4, ...identifiers.ipv6].find((address) => !own.includes(address));
  if (otherAddress !== undefined) throw new Error(`node ${node} may not be the agent of address ${otherAddress}`);
}
