import type { ApiClient, ResourceRef } from '../client/client.ts';
import { statusError } from '../client/status-error.ts';
import { decodeText } from '../lib/bytes.ts';

export interface DiscoveredResource extends ResourceRef {
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
}

interface DiscoveryList {
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly {
      readonly version: string;
      readonly resources?: readonly {
        readonly resource: string;
        readonly scope: string;
        readonly verbs?: readonly string[];
        readonly responseKind?: { readonly kind?: string };
      }[];
    }[];
  }[];
}

const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** All resources, each in its group's preferred version among those that serve it. */
export async function discoverResources(client: ApiClient, signal?: AbortSignal): Promise<DiscoveredResource[]> {
  const found = new Map<string, DiscoveredResource>();
  for (const path of ['/api', '/apis']) {
    const answer = await client.request({ method: 'GET', path, headers: { accept } }, signal ? { signal } : {});
    if (answer.status !== 200) throw statusError(answer, `GET ${path}`);
    const { items = [] } = JSON.parse(decodeText(answer.body)) as DiscoveryList; // what the accepted media type means
    for (const { metadata, versions = [] } of items) {
      const group = metadata?.name ?? '';
      for (const { version, resources = [] } of versions) {
        for (const { resource, scope, verbs = [], responseKind } of resources) {
          const key = `${resource}.${group}`;
          if (found.has(key)) continue; // Versions come in the order of preference.
          found.set(key, {
            group,
            version,
            resource,
            kind: responseKind?.kind ?? '',
            namespaced: scope === 'Namespaced',
            verbs,
          });
        }
      }
    }
  }
  return [...found.values()];
}
