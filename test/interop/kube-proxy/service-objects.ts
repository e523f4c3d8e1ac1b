import type { Service, ServiceSpec } from '../../../src/api/kubernetes/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../../../src/api/kubernetes/discovery-v1.ts';
import type { ApiClient } from '../../../src/client/client.ts';
import { endpointSlices, services } from '../../../src/client/resources.ts';

/** Makes Services without selectors, whose endpoints the test writes itself. */
export class ServiceObjects {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** With one port, 80 → 8080, unless `spec` has others. Gives it as stored. */
  create(name: string, spec: ServiceSpec = {}): Promise<Service> {
    return this.#client.create<Service>(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { ports: [{ port: 80, targetPort: 8080 }], ...spec },
    });
  }

  get(name: string): Promise<Service> {
    return this.#client.get<Service>(services, { namespace: 'default', name });
  }

  async change(name: string, change: (service: Service) => void): Promise<void> {
    const service = await this.get(name);
    change(service);
    await this.#client.update(services, service);
  }

  async delete(name: string): Promise<void> {
    await this.#client.delete(services, { namespace: 'default', name });
  }

  /** Writes all endpoints of a Service. */
  async serve(
    name: string,
    endpoints: readonly Endpoint[],
    options: { port?: number; protocol?: string; addressType?: string } = {},
  ): Promise<void> {
    const { port = 8080, protocol = 'TCP', addressType = 'IPv4' } = options;
    const slice: EndpointSlice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-${addressType.toLowerCase()}`,
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'test' },
      },
      addressType,
      ports: [{ name: '', port, protocol }],
      endpoints: [...endpoints],
    };
    const { items } = await this.#client.list<EndpointSlice>(endpointSlices, { namespace: 'default' });
    const present = items.find(({ metadata }) => metadata?.name === slice.metadata?.name);
    if (present)
      await this.#client.update(endpointSlices, { ...slice, metadata: { ...present.metadata, ...slice.metadata } });
    else await this.#client.create(endpointSlices, slice);
  }
}
