import { isDeepStrictEqual } from 'node:util';
import type { EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Service } from '../api/kubernetes/core-v1.ts';
import { objectKey, splitKey } from '../client/object-index.ts';
import { endpoints } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';
import { type Backend, backendsOf, isServing, portsKey } from './endpoint-addresses.ts';
import { ReconcileLoop } from './reconcile-loop.ts';
import { ServiceBackends } from './service-backends.ts';

const maxAddresses = 1_000;
const overCapacity = 'endpoints.kubernetes.io/over-capacity';

/** Keeps the Endpoints of each service with a selector. */
export function startEndpointsController(context: ControllerContext): AsyncDisposable {
  const { client, informers } = context;
  const backends = new ServiceBackends(context);
  const present = informers.get<Endpoints>(endpoints);
  const loop = new ReconcileLoop({
    ...context,
    after: [backends.services, backends.pods, present],
    reconcile: async (key, signal) => {
      const { namespace = '', name } = splitKey(key);
      const service = backends.services.get(key);
      const old = present.get(key);
      if (!service) {
        const managed = old?.metadata?.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller';
        if (old && managed)
          await client.delete(
            endpoints,
            { namespace, name },
            { preconditions: { uid: old.metadata?.uid ?? '' }, signal },
          );
        return undefined;
      }
      if (!service.spec?.selector || service.spec.type === 'ExternalName') return undefined;
      const family = service.spec.ipFamilies?.[0] === 'IPv6' ? 'IPv6' : 'IPv4';
      const all = backendsOf(service, backends.podsIn(namespace), family);
      const subsets = endpointSubsets(service, all.slice(0, maxAddresses));
      const labels = {
        ...service.metadata?.labels,
        'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
        ...(service.spec.clusterIP === 'None' && { 'service.kubernetes.io/headless': '' }),
      };
      const { [overCapacity]: _, ...annotations } = old?.metadata?.annotations ?? {};
      if (all.length > maxAddresses) annotations[overCapacity] = 'truncated';
      if (old && isDeepStrictEqual(old.subsets ?? [], subsets) && isDeepStrictEqual(old.metadata?.labels ?? {}, labels))
        return undefined;
      const metadata = { ...old?.metadata, name, namespace, labels, annotations };
      if (old) await client.update<Endpoints>(endpoints, { ...old, metadata, subsets }, { signal });
      else await client.create<Endpoints>(endpoints, { metadata, subsets }, { signal });
      return undefined;
    },
  });
  backends.subscribe((key) => loop.add(key));
  present.subscribe(({ object }) => loop.add(objectKey(object.metadata?.namespace, object.metadata?.name ?? '')));
  return loop;
}

/** Backends with the same ports share a subset. */
export function endpointSubsets(service: Service, backends: readonly Backend[]): EndpointSubset[] {
  const groups = Map.groupBy(
    backends.filter((backend) => !backend.terminating || service.spec?.publishNotReadyAddresses),
    ({ ports }) => portsKey(ports),
  );
  return [...groups]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, members]) => {
      const ready = members.filter((backend) => isServing(backend, service)).map(toAddress);
      const notReady = members.filter((backend) => !isServing(backend, service)).map(toAddress);
      const ports: EndpointPort[] = (members[0]?.ports ?? []).map(({ name, protocol, port, appProtocol }) => ({
        ...(name !== '' && { name }),
        port,
        protocol,
        ...(appProtocol !== undefined && { appProtocol }),
      }));
      return {
        ...(ready.length > 0 && { addresses: ready }),
        ...(notReady.length > 0 && { notReadyAddresses: notReady }),
        ...(ports.length > 0 && { ports }),
      };
    });
}

function toAddress({ pod, address }: Backend): EndpointAddress {
  const { metadata, spec } = pod;
  return {
    ip: address,
    ...(spec?.hostname && spec.subdomain && { hostname: spec.hostname }),
    ...(spec?.nodeName !== undefined && { nodeName: spec.nodeName }),
    targetRef: {
      kind: 'Pod',
      ...(metadata?.name !== undefined && { name: metadata.name }),
      ...(metadata?.namespace !== undefined && { namespace: metadata.namespace }),
      ...(metadata?.uid !== undefined && { uid: metadata.uid }),
    },
  };
}
