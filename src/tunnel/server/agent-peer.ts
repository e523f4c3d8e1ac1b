import type { TLSSocket } from 'node:tls';
import type { UserInfo } from '../../auth/user.ts';

/** Who somebody else's listener says an agent is, whatever proved it. */
export type AgentUser = Pick<UserInfo, 'username' | 'groups'> & Partial<Pick<UserInfo, 'extra'>>;

/** What an agent proved about itself before it said a word. */
export interface AgentPeer {
  /** Of its certificate or user; `undefined` where it showed neither. */
  readonly name: string | undefined;
  /** Whose node it is. */
  readonly nodeName: string | undefined;
  /** Whether its listener has authenticated it already, so that no token is asked for. */
  readonly authenticated: boolean;
}

const nodePrefix = 'system:node:';
const nodesGroup = 'system:nodes';

/** An agent on the server's own port. Its TLS let in no certificate that does not verify. */
export function peerOfCertificate(socket: TLSSocket | undefined): AgentPeer {
  const subject: Record<string, unknown> = socket?.getPeerCertificate()?.subject ?? {};
  const name = texts(subject['CN']).at(-1);
  return { name, nodeName: nodeNameOf(name, texts(subject['O'])), authenticated: false };
}

/** An agent that came in by a listener that knows its users. One that runs as a pod is its pod's node's, as its bound token says. */
export function peerOfUser({ username, groups, extra }: AgentUser): AgentPeer {
  const [podNode] = extra?.['authentication.kubernetes.io/node-name'] ?? [];
  return { name: username, nodeName: nodeNameOf(username, groups) ?? podNode, authenticated: true };
}

/** A node is who has both a node's name and the nodes' group, as the Node authorizer has it. */
function nodeNameOf(name: string | undefined, groups: readonly string[]): string | undefined {
  if (!name?.startsWith(nodePrefix) || !groups.includes(nodesGroup)) return undefined;
  return name.slice(nodePrefix.length) || undefined;
}

/** Node gives a part of a name as a string, or as strings where it comes more than once. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
