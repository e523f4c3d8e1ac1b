import { ApiError, notFound } from '../../api/errors.ts';
import type { Pod, Service } from '../../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../../api/kubernetes/discovery-v1.ts';
import type { Destination, DestinationOptions } from './destination.ts';
import { addressesOf, refusedAddressOf } from './pod-address.ts';

export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
  /** A number of the Service, the name of one of its ports, or empty for the port without a name. */
  readonly port: string | number;
  /** How errors name it. @default the name */
  readonly label?: string;
}

const endpointSlices = 'endpointslices.discovery.k8s.io';

/**
 * Where a Service is reached: the address of one ready pod behind it, chosen at random. Cluster addresses are not used, so the control plane needs
 * no route to them. An endpoint that is no pod of the same namespace with this very address is never chosen (CVE-2020-8555), nor is
 * one whose address the rules refuse.
 * @throws {ApiError} 404 for no such Service, 503 for no such port and for no endpoint that could be used
 */
export function resolveService(reference: ServiceReference, options: DestinationOptions): Destination {
  const { objects, random = Math.random } = options;
  const { namespace, name, label = name } = reference;
  const service = objects.get<Service>('services', { namespace, name });
  if (!service) throw notFound({ group: '', resource: 'services' }, name);
  const portName = portNameOf(service, reference);
  const slices = objects
    .list<EndpointSlice>(endpointSlices, namespace)
    .filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === name);
  const candidates = slices.flatMap((slice) => candidatesOf(slice, portName));
  const primary = service.spec?.ipFamilies?.[0];
  const preferred = candidates.filter(({ family }) => family === primary);
  const others = candidates.filter(({ family }) => family !== primary);
  let refusal: string | undefined;
  for (const candidate of [...rotated(preferred, random()), ...rotated(others, random())]) {
    const judged = judge(candidate, namespace, options);
    if (typeof judged !== 'string') return judged;
    refusal ??= judged;
  }
  throw unavailable(slices.length === 0 ? name : label, refusal);
}

interface Candidate {
  readonly family: string;
  readonly address: string;
  readonly port: number;
  readonly protocolHint: string | undefined;
  readonly targetRef: { readonly kind?: string; readonly namespace?: string; readonly name?: string } | undefined;
}

function portNameOf({ spec }: Service, { name, port }: ServiceReference): string {
  const text = String(port);
  if (!/^\d+$/.test(text)) return text;
  const found = spec?.ports?.find((candidate) => candidate.port === Number(text));
  if (!found)
    throw new ApiError(
      'ServiceUnavailable',
      `no service port ${Number(text)} found for service ${JSON.stringify(name)}`,
    );
  return found.name ?? '';
}

function candidatesOf({ addressType, endpoints, ports }: EndpointSlice, portName: string): Candidate[] {
  const port = ports?.find(({ name = '', protocol = 'TCP' }) => name === portName && protocol === 'TCP');
  if (addressType === 'FQDN' || port?.port === undefined) return [];
  const number = port.port;
  const protocolHint = port.appProtocol;
  return (endpoints ?? []).flatMap(({ addresses, conditions, targetRef }) => {
    const [address] = addresses;
    if (address === undefined || conditions?.ready === false) return [];
    return [{ family: addressType, address, port: number, protocolHint, targetRef }];
  });
}

/** The destination, or why it is none. */
function judge(candidate: Candidate, namespace: string, options: DestinationOptions): Destination | string {
  const { address, port, protocolHint, targetRef } = candidate;
  if (targetRef?.kind !== 'Pod' || !targetRef.name || (targetRef.namespace ?? namespace) !== namespace) {
    return `the endpoint ${address} is no pod of this namespace`;
  }
  const { name } = targetRef;
  const pod = options.objects.get<Pod>('pods', { namespace, name });
  if (!pod || !addressesOf(pod).includes(address)) return `the endpoint ${address} is not the address of pod "${name}"`;
  const refusal = refusedAddressOf(pod, address, options);
  if (refusal !== undefined) return refusal;
  return {
    host: address,
    port,
    node: pod.spec?.nodeName ?? '', // refused above where there is none
    pod: { namespace, name, uid: pod.metadata?.uid ?? '' },
    protocolHint,
  };
}

function rotated<T>(values: readonly T[], random: number): readonly T[] {
  const start = Math.floor(random * values.length);
  return start === 0 ? values : [...values.slice(start), ...values.slice(0, start)];
}

function unavailable(label: string, refusal: string | undefined): ApiError {
  return new ApiError('ServiceUnavailable', `no endpoints available for service ${JSON.stringify(label)}`, {
    ...(refusal !== undefined && { details: { causes: [{ reason: 'EndpointRefused', message: refusal }] } }),
  });
}
