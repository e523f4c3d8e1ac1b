import type { Node } from '../api/kubernetes/core-v1.ts';
import { nodeRouteLabel } from '../api/node-route.ts';
import type { ApiServer } from '../apiserver/listen.ts';
import type { ConnectHandler } from '../apiserver/review.ts';

/** Where the API server tells how it reaches each node. */
export const routesPath = '/fairlead/routes';

/** How the control plane reaches one node. */
export interface NodeRouteStatus {
  readonly node: string;
  /** As recorded on the node; `direct` where nothing is recorded. */
  readonly route: string;
  /** Whether the way is open now; absent for a route that opens nothing ahead. */
  readonly connected?: boolean;
  /** Connections that are open through the tunnel now. */
  readonly connections?: number;
}

export interface NodeRouteList {
  readonly apiVersion: 'fairlead.dev/v1';
  readonly kind: 'NodeRouteList';
  readonly items: readonly NodeRouteStatus[];
}

/** How many connections each node's agent carries now; a node without an agent is absent. */
export type TunnelView = () => ReadonlyMap<string, number>;

/** Answers `GET /fairlead/routes`. */
export function routesHandler(objects: () => ApiServer['objects'] | undefined, tunnel: TunnelView): ConnectHandler {
  return async ({ exchange }) => {
    const agents = tunnel();
    const items = (objects()?.list<Node>('nodes') ?? [])
      .map((node) => statusOf(node, agents))
      .sort((a, b) => (a.node < b.node ? -1 : 1));
    const list: NodeRouteList = { apiVersion: 'fairlead.dev/v1', kind: 'NodeRouteList', items };
    exchange.respond(200, { 'content-type': 'application/json' }, JSON.stringify(list));
  };
}

function statusOf({ metadata }: Node, agents: ReadonlyMap<string, number>): NodeRouteStatus {
  const node = metadata?.name ?? '';
  const route = metadata?.labels?.[nodeRouteLabel] ?? 'direct';
  if (route !== 'tunnel') return { node, route };
  const connections = agents.get(node);
  return { node, route, connected: connections !== undefined, connections: connections ?? 0 };
}
