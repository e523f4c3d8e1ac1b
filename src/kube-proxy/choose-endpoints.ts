import type { Endpoint } from './endpoint.ts';
import { isExternallyReachable, type ServicePort } from './service-port.ts';

/** Which endpoints take which traffic of one port. */
export interface ChosenEndpoints {
  /** For traffic under policy `Cluster`. */
  readonly cluster: readonly Endpoint[];
  /** For traffic under policy `Local`. */
  readonly local: readonly Endpoint[];
  /** False: nobody anywhere can serve, and clients are refused; otherwise those without an endpoint here are dropped. */
  readonly hasAny: boolean;
}

export interface Location {
  readonly nodeName: string;
  readonly zone: string | undefined;
}

/**
 * Ready endpoints, or if there is none those that end but still serve; by hints near this node where all endpoints carry them.
 * The rules are upstream's (KEP-1669, KEP-2433, KEP-4444).
 */
export function chooseEndpoints(
  endpoints: readonly Endpoint[],
  port: ServicePort,
  location: Location,
): ChosenEndpoints {
  const external = isExternallyReachable(port);
  const usesCluster = !port.internalLocal || (external && !port.externalLocal);
  const usesLocal = port.internalLocal || (external && port.externalLocal);
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  const ending = endpoints.filter((endpoint) => !endpoint.ready && endpoint.serving && endpoint.terminating);
  const here = (endpoint: Endpoint) => endpoint.local;
  const cluster = usesCluster ? firstFilled(nearest(ready, location), ending) : [];
  const local = usesLocal ? firstFilled(ready.filter(here), ending.filter(here)) : [];
  return { cluster, local, hasAny: ready.length + ending.length > 0 };
}

/** Hints count only where every ready endpoint has them and one of them is for us. */
function nearest(ready: readonly Endpoint[], { nodeName, zone }: Location): readonly Endpoint[] {
  const forNode = ready.filter(({ forNodes }) => forNodes?.includes(nodeName));
  if (forNode.length > 0 && ready.every(({ forNodes = [] }) => forNodes.length > 0)) return forNode;
  if (zone === undefined) return ready;
  const forZone = ready.filter(({ forZones }) => forZones?.includes(zone));
  if (forZone.length > 0 && ready.every(({ forZones = [] }) => forZones.length > 0)) return forZone;
  return ready;
}

function firstFilled(first: readonly Endpoint[], second: readonly Endpoint[]): readonly Endpoint[] {
  return first.length > 0 ? first : second;
}
