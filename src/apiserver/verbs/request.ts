import type { SubresourceInfo } from '../../api/resource-info.ts';
import type { RequestContext } from '../exchange.ts';
import type { ServedResource } from '../served-resource.ts';
import type { ApiServices } from '../services.ts';

/** A request for a stored resource, as each verb gets it. */
export interface ResourceRequest {
  readonly services: ApiServices;
  readonly context: RequestContext;
  readonly resource: ServedResource;
  readonly subresource: SubresourceInfo | undefined;
}

/** Where the object lies; `''` if it is cluster-scoped. Requests for a Namespace have its own name as theirs, for rules to be checked. */
export function namespaceOf({ context, resource }: Pick<ResourceRequest, 'context' | 'resource'>): string {
  return resource.info.namespaced ? context.info.namespace : '';
}

export type VerbHandler = (request: ResourceRequest) => Promise<void>;
