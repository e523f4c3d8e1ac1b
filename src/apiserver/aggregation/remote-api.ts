import type { APIService, APIServiceCondition } from '../../api/kubernetes/apiregistration-v1.ts';
import type { Backend } from '../backends/backend.ts';
import { decodeCaBundle, serviceBackend } from '../backends/service-backend.ts';
import type { KeyPairPem } from '../config.ts';
import type { DestinationOptions } from '../destinations/destination.ts';

/** An APIService with a Service: a group-version that an extension API server serves. */
export interface RemoteApi {
  /** `v1beta1.metrics.k8s.io` */
  readonly name: string;
  readonly uid: string;
  readonly group: string;
  readonly version: string;
  readonly groupPriority: number;
  readonly versionPriority: number;
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  readonly caPem: string | undefined;
  readonly verify: boolean;
  readonly available: APIServiceCondition | undefined;
}

/** `undefined` for what is served here. */
export function readRemoteApi({ metadata, spec, status }: APIService): RemoteApi | undefined {
  const { group = '', version = '', service, caBundle, insecureSkipTLSVerify = false } = spec ?? {};
  // Its own registration stays here, and core is no group of others.
  if (!spec || !service || group === '' || group === 'apiregistration.k8s.io') return undefined;
  return {
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    group,
    version,
    groupPriority: spec.groupPriorityMinimum,
    versionPriority: spec.versionPriority,
    service: { namespace: service.namespace ?? '', name: service.name ?? '', port: service.port ?? 443 },
    caPem: decodeCaBundle(caBundle),
    verify: !insecureSkipTLSVerify,
    available: status?.conditions?.find(({ type }) => type === 'Available'),
  };
}

export function isAvailable({ available }: RemoteApi): boolean {
  return available?.status === 'True';
}

/** One of the extension API server's pods. @throws {BackendError} */
export function backendOf(
  { service, caPem, verify }: RemoteApi,
  { destinations, client }: { destinations: DestinationOptions; client: KeyPairPem | undefined },
): Backend {
  return serviceBackend(service, { destinations, caPem, verify, client });
}
