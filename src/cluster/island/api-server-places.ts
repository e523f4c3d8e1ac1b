import { ApiError } from '../../api/errors.ts';
import type { Endpoints, Service } from '../../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../../client/client.ts';
import { endpoints, services } from '../../client/resources.ts';

export interface ApiServerPlace {
  readonly host: string;
  readonly port: number;
}

/**
 * Where the API server is looked for in an island: at its own address, as nodes dial it; at its Service, which pods are told of; and at its endpoints,
 * to which the rules for Services lead.
 */
export async function findApiServerPlaces(client: ApiClient, signal: AbortSignal): Promise<ApiServerPlace[]> {
  const name = { namespace: 'default', name: 'kubernetes' };
  const [service, known] = await Promise.all([
    orMissing(client.get<Service>(services, name, { signal })),
    orMissing(client.get<Endpoints>(endpoints, name, { signal })),
  ]);
  const { clusterIP, ports: servicePorts = [] } = service?.spec ?? {};
  return distinct([
    placeOf(client.server),
    ...(clusterIP ? servicePorts.map(({ port }) => ({ host: clusterIP, port })) : []),
    ...(known?.subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
      addresses.flatMap(({ ip }) => ports.map(({ port }) => ({ host: ip, port }))),
    ),
  ]);
}

async function orMissing<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}

function distinct(places: readonly ApiServerPlace[]): ApiServerPlace[] {
  return [...new Map(places.map((place) => [`${place.host} ${place.port}`, place])).values()];
}

function placeOf(server: string): ApiServerPlace {
  const { hostname, port } = new URL(server);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 443) };
}
