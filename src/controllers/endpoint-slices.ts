import { isDeepStrictEqual } from 'node:util';
import type { Node, Service } from '../api/kubernetes/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../api/kubernetes/discovery-v1.ts';
import { splitKey } from '../client/object-index.ts';
import { endpointSlices, nodes, services } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';
import { type Backend, backendsOf, portsKey } from './endpoint-addresses.ts';
import { controllerReference } from './owner-references.ts';
import { PendingWrites } from './pending-writes.ts';
import { ReconcileLoop } from './reconcile-loop.ts';
import { ServiceBackends } from './service-backends.ts';

const maxEndpoints = 100;
const serviceLabel = 'kubernetes.io/service-name';
const managerLabel = 'endpointslice.kubernetes.io/managed-by';
const manager = 'endpointslice-controller.k8s.io';
const byService = 'service';

/** Keeps the EndpointSlices of each service with a selector: at most 100 endpoints each, one set for each address family and port list. */
export function startEndpointSliceController(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock } = context;
  const backends = new ServiceBackends(context);
  const slices = informers.get<EndpointSlice>(endpointSlices);
  const nodeInformer = informers.get<Node>(nodes);
  const pending = new PendingWrites({ clock });
  slices.addIndex(byService, ({ metadata }) =>
    metadata?.labels?.[managerLabel] === manager ? [`${metadata.namespace}/${metadata.labels[serviceLabel]}`] : [],
  );
  const loop = new ReconcileLoop({
    ...context,
    after: [backends.services, backends.pods, slices, nodeInformer],
    reconcile: async (key, signal) => {
      const { namespace = '' } = splitKey(key);
      const service = backends.services.get(key);
      const present = slices.byIndex(byService, key);
      if (!service?.spec?.selector || service.metadata?.deletionTimestamp || service.spec.type === 'ExternalName') {
        pending.forget(key);
        for (const slice of present) await remove(key, slice, signal);
        return undefined;
      }
      if (!pending.settled(key, slices)) return undefined;
      const zoneOf = (node: string) => nodeInformer.get(node)?.metadata?.labels?.['topology.kubernetes.io/zone'];
      const wanted = wantedSlices(service, (family) => backendsOf(service, backends.podsIn(namespace), family), zoneOf);
      const unused = new Set(present);
      const missing: WantedSlice[] = [];
      for (const slice of wanted) {
        const same = [...unused].find((old) => contentEquals(old, slice));
        if (same) unused.delete(same);
        else missing.push(slice);
      }
      for (const slice of missing) {
        const old = [...unused].find((one) => one.addressType === slice.addressType);
        if (old) {
          unused.delete(old);
          const metadata = { ...old.metadata, labels: { ...old.metadata?.labels, ...slice.labels } };
          await client.update<EndpointSlice>(
            endpointSlices,
            { ...old, metadata, endpoints: slice.endpoints, ports: slice.ports },
            { signal },
          );
        } else
          pending.created(key, await client.create<EndpointSlice>(endpointSlices, build(service, slice), { signal }));
      }
      for (const slice of unused) await remove(key, slice, signal);
      return undefined;
    },
  });

  async function remove(key: string, slice: EndpointSlice, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid = '' } = slice.metadata ?? {};
    pending.deleted(key, slice);
    await client.delete(endpointSlices, { namespace, name }, { preconditions: { uid }, signal });
  }

  backends.subscribe((key) => loop.add(key));
  slices.subscribe(({ object: { metadata } }) => {
    if (metadata?.labels?.[managerLabel] === manager)
      loop.add(`${metadata.namespace}/${metadata.labels[serviceLabel]}`);
  });
  return loop;
}

interface WantedSlice {
  readonly addressType: 'IPv4' | 'IPv6';
  readonly labels: Readonly<Record<string, string>>;
  readonly endpoints: Endpoint[];
  readonly ports: EndpointPort[];
}

/** A service without backends still has one empty slice for each family. */
export function wantedSlices(
  service: Service,
  backendsFor: (family: 'IPv4' | 'IPv6') => readonly Backend[],
  zoneOf: (node: string) => string | undefined,
): WantedSlice[] {
  const labels = sliceLabels(service);
  const families = service.spec?.ipFamilies?.filter((family) => family === 'IPv4' || family === 'IPv6') ?? [];
  return (families.length > 0 ? families : (['IPv4'] as const)).flatMap((addressType): WantedSlice[] => {
    const groups = Map.groupBy(backendsFor(addressType), ({ ports }) => portsKey(ports));
    const found = [...groups.values()].flatMap((members) =>
      Array.from({ length: Math.ceil(members.length / maxEndpoints) }, (_, index) => ({
        addressType,
        labels,
        endpoints: members
          .slice(index * maxEndpoints, (index + 1) * maxEndpoints)
          .map((one) => toEndpoint(one, service, zoneOf)),
        ports: (members[0]?.ports ?? []).map((port) => ({ ...port })),
      })),
    );
    return found.length > 0 ? found : [{ addressType, labels, endpoints: [], ports: [] }];
  });
}

function sliceLabels({ metadata, spec }: Service): Record<string, string> {
  return {
    ...metadata?.labels,
    [serviceLabel]: metadata?.name ?? '',
    [managerLabel]: manager,
    ...(spec?.clusterIP === 'None' && { 'service.kubernetes.io/headless': '' }),
  };
}

function toEndpoint(
  { pod, address, ready, terminating }: Backend,
  service: Service,
  zoneOf: (node: string) => string | undefined,
): Endpoint {
  const { metadata, spec } = pod;
  const zone = zoneOf(spec?.nodeName ?? '');
  const publishes = service.spec?.publishNotReadyAddresses ?? false;
  return {
    addresses: [address],
    conditions: { ready: publishes || (ready && !terminating), serving: ready, terminating },
    ...(spec?.hostname && spec.subdomain && { hostname: spec.hostname }),
    ...(spec?.nodeName !== undefined && { nodeName: spec.nodeName }),
    targetRef: {
      kind: 'Pod',
      namespace: metadata?.namespace ?? '',
      name: metadata?.name ?? '',
      uid: metadata?.uid ?? '',
    },
    ...(zone !== undefined && { zone }),
  };
}

function contentEquals(slice: EndpointSlice, wanted: WantedSlice): boolean {
  return (
    slice.addressType === wanted.addressType &&
    isDeepStrictEqual(slice.endpoints ?? [], wanted.endpoints) &&
    isDeepStrictEqual(
      (slice.ports ?? []).map(({ name = '', ...port }) => ({ name, ...port })),
      wanted.ports,
    ) &&
    Object.entries(wanted.labels).every(([key, value]) => slice.metadata?.labels?.[key] === value)
  );
}

function build(service: Service, { addressType, labels, endpoints, ports }: WantedSlice): EndpointSlice {
  const { name = '', namespace = '' } = service.metadata ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: { ...labels },
      ownerReferences: [controllerReference(services, service)],
    },
    addressType,
    endpoints,
    ports,
  };
}
