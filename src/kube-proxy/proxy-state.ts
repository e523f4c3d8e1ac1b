import type { Service } from '../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../api/kubernetes/discovery-v1.ts';
import { type ChosenEndpoints, chooseEndpoints, type Location } from './choose-endpoints.ts';
import { type Endpoint, endpointsOf } from './endpoint.ts';
import { type ServicePort, servicePortsOf } from './service-port.ts';

/** One port with the endpoints that serve it now. */
export interface PortState extends ChosenEndpoints {
  readonly port: ServicePort;
  /** All of them, whatever their condition. */
  readonly endpoints: readonly Endpoint[];
}

/** What this node knows of the cluster, as a proxier reads it during one sync. */
export interface ProxyState {
  /** `namespace/name` of every Service. */
  serviceKeys(): Iterable<string>;
  portsOf(serviceKey: string): readonly PortState[];
  /** Of the Node, primary ones first in each family. */
  readonly nodeAddresses: readonly string[];
  readonly serviceCidrs: readonly string[];
}

/** The ports of one Service, none where it is gone. */
export function portStatesOf(
  service: Service | undefined,
  { slices, location }: { slices: readonly EndpointSlice[]; location: Location },
): PortState[] {
  if (!service) return [];
  return servicePortsOf(service).map((port) => {
    const endpoints = endpointsOf(port, { slices, nodeName: location.nodeName });
    return { port, endpoints, ...chooseEndpoints(endpoints, port, location) };
  });
}
