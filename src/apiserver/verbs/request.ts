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

export type VerbHandler = (request: ResourceRequest) => Promise<void>;
