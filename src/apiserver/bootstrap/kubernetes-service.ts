import { isIPv6 } from 'node:net';
import type { Endpoints, Service } from '../../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../../api/kubernetes/discovery-v1.ts';
import { firstAddress } from '../address-range.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { ensureObject } from './ensure-object.ts';

/** Where this API server is reached, as everybody in the cluster is told. */
export interface AdvertisedAddress {
  readonly address: string;
  readonly port: number;
  readonly serviceClusterIpRange: string;
}

const name = 'kubernetes';
const namespace = 'default';

/** The `kubernetes` Service with its first address of the range, and the endpoint behind it. Run again now and then, it puts right what was changed. */
export async function ensureKubernetesService(objects: InternalObjects, advertised: AdvertisedAddress): Promise<void> {
  await ensureService(objects, advertised);
  await Promise.all([ensureEndpoints(objects, advertised), ensureSlice(objects, advertised)]);
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

async function ensureEndpoints(objects: InternalObjects, { address, port }: AdvertisedAddress): Promise<void> {
  const subsets = [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }];
  const object: Endpoints = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    // The slice below says the same; it is not to be made a second time from this.
    metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets,
  };
  await ensureObject(objects, 'endpoints', { object, merge: (found) => ({ ...found, subsets }) });
}

async function ensureSlice(objects: InternalObjects, { address, port }: AdvertisedAddress): Promise<void> {
  const endpoints = [{ addresses: [address], conditions: { ready: true } }];
  const ports = [{ name: 'https', port, protocol: 'TCP' }];
  const object: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: isIPv6(address) ? 'IPv6' : 'IPv4',
    endpoints,
    ports,
  };
  await ensureObject(objects, 'endpointslices.discovery.k8s.io', {
    object,
    merge: (found) => ({ ...found, endpoints, ports }),
  });
}
