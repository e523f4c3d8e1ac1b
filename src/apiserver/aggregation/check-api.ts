import type { Service } from '../../api/kubernetes/core-v1.ts';
import type { EndpointSlice } from '../../api/kubernetes/discovery-v1.ts';
import type { JsonObject } from '../../api/object.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { Backend } from '../backends/backend.ts';
import type { BackendPool } from '../backends/backend-pool.ts';
import { fetchDocument, parseResourceList } from './api-document.ts';
import type { RemoteApi } from './remote-api.ts';

/** What is said about an API's availability, as its `Available` condition has it. */
export interface Verdict {
  readonly available: boolean;
  readonly reason: string;
  readonly message: string;
  /** What it serves, where that could be asked. */
  readonly resources?: readonly JsonObject[];
}

export interface CheckOptions {
  readonly objects: ObjectSource;
  readonly pool: BackendPool;
  /** One of the API's pods. @throws {BackendError} */
  readonly backendOf: (api: RemoteApi) => Backend;
  readonly signal: AbortSignal;
}

/** Looks at the Service, its endpoints, and then asks the server for what it must serve. Reasons and texts are upstream's. */
export async function checkApi(api: RemoteApi, options: CheckOptions): Promise<Verdict> {
  return checkService(api, options.objects) ?? (await checkDiscovery(api, options));
}

function checkService({ service: reference }: RemoteApi, objects: ObjectSource): Verdict | undefined {
  const { namespace, name, port } = reference;
  const service = objects.get<Service>('services', { namespace, name });
  const title = `service/${name} in ${JSON.stringify(namespace)}`;
  if (!service) return unavailable('ServiceNotFound', `${title} is not present`);
  if ((service.spec?.type ?? 'ClusterIP') !== 'ClusterIP') return undefined;
  const servicePort = service.spec?.ports?.find((candidate) => candidate.port === port);
  if (!servicePort) return unavailable('ServicePortError', `${title} is not listening on port ${port}`);
  const slices = objects
    .list<EndpointSlice>('endpointslices.discovery.k8s.io', namespace)
    .filter(({ metadata }) => metadata?.labels?.['kubernetes.io/service-name'] === name);
  if (slices.length === 0) return unavailable('EndpointsNotFound', `cannot find endpointslices for ${title}`);
  const portName = servicePort.name ?? '';
  const ready = slices.some(
    ({ endpoints, ports }) =>
      endpoints?.some(({ conditions }) => conditions?.ready !== false) &&
      ports?.some((candidate) => (candidate.name ?? '') === portName && candidate.port !== undefined),
  );
  if (ready) return undefined;
  const message = `endpointslices for ${title} have no addresses with port name ${JSON.stringify(portName)}`;
  return unavailable('MissingEndpoints', message);
}

async function checkDiscovery(api: RemoteApi, { pool, backendOf, signal }: CheckOptions): Promise<Verdict> {
  const path = `/apis/${api.group}/${api.version}`;
  let url = `https://${api.service.name}.${api.service.namespace}.svc:${api.service.port}${path}`;
  try {
    const backend = backendOf(api);
    const host = backend.host.includes(':') ? `[${backend.host}]` : backend.host;
    url = `https://${host}:${backend.port}${path}`;
    const { status, body } = await fetchDocument(pool, backend, { path, signal });
    if (status < 200 || status > 299) throw new Error(`bad status from ${url}: ${status}`);
    const resources = parseResourceList(body);
    return { available: true, reason: 'Passed', message: 'all checks passed', resources };
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    return unavailable('FailedDiscoveryCheck', `failing or missing response from ${url}: ${why}`);
  }
}

function unavailable(reason: string, message: string): Verdict {
  return { available: false, reason, message };
}
