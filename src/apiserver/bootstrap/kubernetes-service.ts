import { isIPv6 } from 'node:net';
import type { Endpoints, Service } from '../../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../../api/kubernetes/discovery-v1.ts';
import type { Store } from '../../storage/store.ts';
import { firstAddress } from '../address-range.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { ensureObject } from './ensure-object.ts';
import { MasterLeases } from './master-leases.ts';

/** Where this API server is reached, as everybody in the cluster is told. */
export interface AdvertisedAddress {
  readonly address: string;
  readonly port: number;
  readonly serviceClusterIpRange: string;
}

const name = 'kubernetes';
const namespace = 'default';

/**
 * Keeps the `kubernetes` Service with the first address of the range, and behind it the API servers that are alive. Run again now and then, it puts
 * right what was changed. All servers of a cluster listen on one port, as upstream.
 */
export class KubernetesService {
  readonly #objects: InternalObjects;
  readonly #advertised: AdvertisedAddress;
  readonly #leases: MasterLeases;

  constructor(objects: InternalObjects, { advertised, store }: { advertised: AdvertisedAddress; store: Store }) {
    this.#objects = objects;
    this.#advertised = advertised;
    this.#leases = new MasterLeases(store, advertised.address);
  }

  /** Renews this server's lease and brings the Service and its endpoints up to date. */
  async reconcile(): Promise<void> {
    await Promise.all([this.#leases.renew(), ensureService(this.#objects, this.#advertised)]);
    await this.#publish();
  }

  /** Takes this server out of the endpoints, unless it is the last one: nobody gains by an empty list. */
  async leave(): Promise<void> {
    await this.#leases.remove();
    await this.#publish();
  }

  async #publish(): Promise<void> {
    const addresses = await this.#leases.addresses();
    if (addresses.length === 0) return;
    const { port } = this.#advertised;
    await Promise.all([
      ensureEndpoints(this.#objects, { addresses, port }),
      ensureSlice(this.#objects, { addresses, port }),
    ]);
  }
}

interface LiveServers {
  readonly addresses: readonly string[];
  readonly port: number;
}

async function ensureService(
  objects: InternalObjects,
  { port, serviceClusterIpRange }: AdvertisedAddress,
): Promise<void> {
  const clusterIP = firstAddress(serviceClusterIpRange);
  const ports = [{ name: 'https', protocol: 'TCP', port: 443, targetPort: port }];
  const object: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: [isIPv6(clusterIP) ? 'IPv6' : 'IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      ports,
    },
  };
  await ensureObject(objects, 'services', {
    object,
    merge: (found) => ({ ...found, spec: { ...found.spec, ports } }),
  });
}

async function ensureEndpoints(objects: InternalObjects, { addresses, port }: LiveServers): Promise<void> {
  const subsets = [{ addresses: addresses.map((ip) => ({ ip })), ports: [{ name: 'https', port, protocol: 'TCP' }] }];
  const object: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    // The slice below says the same; it is not to be made a second time from this.
    metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets,
  };
  await ensureObject(objects, 'endpoints', { object, merge: (found) => ({ ...found, subsets }) });
}

async function ensureSlice(objects: InternalObjects, { addresses, port }: LiveServers): Promise<void> {
  const endpoints = addresses.map((address) => ({ addresses: [address], conditions: { ready: true } }));
  const ports = [{ name: 'https', port, protocol: 'TCP' }];
  const object: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: addresses.every((address) => isIPv6(address)) ? 'IPv6' : 'IPv4',
    endpoints,
    ports,
  };
  await ensureObject(objects, 'endpointslices.discovery.k8s.io', {
    object,
    merge: (found) => ({ ...found, endpoints, ports }),
  });
}
