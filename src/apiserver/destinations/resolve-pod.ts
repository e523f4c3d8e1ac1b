import { ApiError, notFound } from '../../api/errors.ts';
import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { addressNotAllowed } from './address-not-allowed.ts';
import type { Destination, DestinationOptions } from './destination.ts';
import { addressesOf, refusedAddressOf } from './pod-address.ts';

export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  /** A number; empty takes the first port of the first container that declares one, or `defaultPort`. */
  readonly port: string;
  readonly defaultPort: number;
}

/**
 * Where a pod is reached: its primary address, if that is allowed.
 * @throws {ApiError} 404; 400 `address not allowed`; 503 for a named port, which pods do not resolve here, as upstream
 */
export function resolvePod(reference: PodReference, options: DestinationOptions): Destination {
  const { namespace, name } = reference;
  const pod = options.objects.get<Pod>('pods', { namespace, name });
  if (!pod) throw notFound({ group: '', resource: 'pods' }, name);
  const [host] = addressesOf(pod);
  if (host === undefined) throw addressNotAllowed(`pod "${name}" has no address yet`);
  const refusal = refusedAddressOf(pod, host, options);
  if (refusal !== undefined) throw addressNotAllowed(refusal);
  return {
    host,
    port: portOf(pod, reference),
    node: pod.spec?.nodeName ?? '', // refused above where there is none
    pod: { namespace, name, uid: pod.metadata?.uid ?? '' },
    protocolHint: undefined,
  };
}

function portOf({ spec }: Pod, { name, port, defaultPort }: PodReference): number {
  if (port === '') {
    const declaring = spec?.containers.find(({ ports = [] }) => ports.length > 0);
    return declaring?.ports?.[0]?.containerPort ?? defaultPort;
  }
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number >= 1 && number <= 65_535) return number;
  throw new ApiError('ServiceUnavailable', `error trying to reach service: pod "${name}" has no port number "${port}"`);
}
