import type { Node } from '../../api/kubernetes/core-v1.ts';
import { recordedRoute } from '../../api/node-route.ts';
import { type HostKey, type KnownHosts, parseHostKeys } from './known-hosts.ts';
import type { SshAddress } from './ssh-session.ts';

/** Public keys of the node's SSH server, one a line as in `known_hosts` without the name. The node publishes them by its own identity. */
export const sshHostKeysAnnotation = 'fairlead.dev/ssh-host-keys';
/** Where the node's SSH server listens, if not at 22. */
export const sshPortAnnotation = 'fairlead.dev/ssh-port';

/** What is needed to reach one node by SSH. */
export interface SshNode extends SshAddress {
  readonly name: string;
  readonly accepted: readonly HostKey[];
  readonly revoked: readonly HostKey[];
}

const addressTypes = ['ExternalIP', 'InternalIP', 'ExternalDNS', 'Hostname'];

/**
 * How `node` is reached by SSH; `undefined` where its route is another. The operator's known-hosts file goes before what the node publishes.
 * @throws {Error} where it has no address
 */
export function sshNodeOf(node: Node, knownHosts: KnownHosts): SshNode | undefined {
  if (recordedRoute(node) !== 'ssh') return undefined;
  const name = node.metadata?.name ?? '';
  const annotations = node.metadata?.annotations ?? {};
  const addresses = node.status?.addresses ?? [];
  const host = addressTypes.map((type) => addresses.find((each) => each.type === type)?.address).find(Boolean);
  if (host === undefined) throw new Error(`node ${name} has no address to reach it by SSH`);
  const port = Number(annotations[sshPortAnnotation] ?? 22);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`${sshPortAnnotation} is no port`);
  const { accepted, revoked } = knownHosts.lookup({ host, port }, [name]);
  const published = parseHostKeys(annotations[sshHostKeysAnnotation] ?? '');
  return { name, host, port, accepted: accepted.length > 0 ? accepted : published, revoked };
}

/** Whether both are reached in the same way, so that a tunnel can stay. */
export function isSameSshNode(a: SshNode, b: SshNode): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
