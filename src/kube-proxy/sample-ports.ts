import type { Endpoint } from './endpoint.ts';
import type { PortState } from './proxy-state.ts';
import type { ServicePort } from './service-port.ts';

/** For tests: a port of a Service, as it is without any option. */
export function samplePort(overrides: Partial<ServicePort> = {}): ServicePort {
  return {
    namespace: 'default',
    name: 'web',
    portName: '',
    family: 'ip',
    protocol: 'tcp',
    clusterIp: '10.96.0.10',
    port: 80,
    nodePort: 0,
    externalIps: [],
    loadBalancerIps: [],
    internalLocal: false,
    externalLocal: false,
    ...overrides,
  };
}

export function sampleEndpoint(address: string, overrides: Partial<Endpoint> = {}): Endpoint {
  const states = { ready: true, serving: true, terminating: false, local: false, elsewhere: true };
  return { address, port: 8080, ...states, ...overrides };
}

/** All `endpoints` serve, wherever they are. */
export function samplePortState(port: ServicePort, endpoints: readonly Endpoint[]): PortState {
  return { port, endpoints, cluster: endpoints, local: [], hasAny: endpoints.length > 0 };
}
