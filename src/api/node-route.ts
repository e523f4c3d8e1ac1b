import type { Node } from './kubernetes/core-v1.ts';

/** How the control plane reaches a node and its pods. */
export type NodeRoute = 'direct' | 'tunnel' | 'ssh';

export const nodeRoutes: readonly NodeRoute[] = ['direct', 'tunnel', 'ssh'];

/** The label that records a node's route when it joins. Upstream's kubelet sets it with `--node-labels`. */
export const nodeRouteLabel = 'fairlead.dev/route';

/** The recorded route; `undefined` for a node without the label. @throws {Error} for a value that names no route */
export function recordedRoute(node: Node): NodeRoute | undefined {
  const value = node.metadata?.labels?.[nodeRouteLabel];
  if (value === undefined) return undefined;
  const route = nodeRoutes.find((known) => known === value);
  if (!route) throw new Error(`the node's label ${nodeRouteLabel}=${value} names no route (${nodeRoutes.join(', ')})`);
  return route;
}
