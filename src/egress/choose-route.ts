import type { Node } from '../api/kubernetes/core-v1.ts';
import { type NodeRoute, nodeRouteLabel, recordedRoute } from '../api/node-route.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { DialTarget } from '../stream/dial.ts';
import { ownsHost } from './node-of-address.ts';

export interface ChosenRoute {
  readonly kind: NodeRoute;
  /** The node that the target belongs to, also where only its address was given. */
  readonly node?: string;
}

/**
 * The recorded route of the node that `target` goes to. A target without a node is looked up by its address: what belongs to a node behind a
 * tunnel takes that tunnel, and what belongs to no such node is dialled directly.
 * @throws {Error} where the node is unknown, its label names no route, or several nodes with different ways claim the address
 */
export function chooseRoute(target: DialTarget, objects: ObjectSource | undefined): ChosenRoute {
  // The store does not depend on what nodes say of themselves.
  if (target.network === 'etcd' && target.node === undefined) return { kind: 'direct' };
  if (!objects) throw new Error('the nodes and their routes are not known yet');
  if (target.node !== undefined) {
    const node = objects.get<Node>('nodes', { namespace: '', name: target.node });
    if (!node) throw new Error('the node does not exist');
    return { kind: recordedRoute(node) ?? 'direct', node: target.node };
  }
  const owners = objects.list<Node>('nodes').filter((node) => ownsHost(node, target.host));
  const routed = owners.filter((node) => recordedRoute(node) !== undefined && recordedRoute(node) !== 'direct');
  const [owner] = routed;
  if (!owner) return { kind: 'direct' };
  if (owners.length > 1) {
    const names = owners.map(({ metadata }) => metadata?.name).join(', ');
    throw new Error(`several nodes have this address (${names}) and not all are reached directly`);
  }
  return { kind: recordedRoute(owner) ?? 'direct', node: owner.metadata?.name ?? '' };
}

/** Whether any node may not be dialled directly, so that names have to be resolved before they are dialled. */
export function hasRoutedNodes(objects: ObjectSource | undefined): boolean {
  if (!objects) return false;
  return objects
    .list<Node>('nodes')
    .some(({ metadata }) => (metadata?.labels?.[nodeRouteLabel] ?? 'direct') !== 'direct');
}
