import { ApiError } from '../api/errors.ts';
import type { ResourceInfo } from '../api/resource-info.ts';
import type { Scheme } from '../api/scheme.ts';
import type { RequestContext } from './exchange.ts';
import type { RequestInfo } from './request-info.ts';
import { sendText } from './respond.ts';
import type { ConnectHandler, ReviewHandler } from './review.ts';
import type { ApiServices } from './services.ts';
import { create } from './verbs/create.ts';
import { remove } from './verbs/delete.ts';
import { removeCollection } from './verbs/deletecollection.ts';
import { get } from './verbs/get.ts';
import { list } from './verbs/list.ts';
import { methodNotAllowed } from './verbs/options.ts';
import { patch } from './verbs/patch.ts';
import type { ResourceRequest, VerbHandler } from './verbs/request.ts';
import { review } from './verbs/review.ts';
import { update } from './verbs/update.ts';
import { watch } from './verbs/watch.ts';

export interface RouterOptions {
  readonly scheme: Scheme;
  readonly services: ApiServices;
  /** By exact path, or by prefix where the key ends with a slash. */
  readonly paths: ReadonlyMap<string, ConnectHandler>;
  /** By `resource` or `resource/subresource`, with the group behind the resource: `tokenreviews.authentication.k8s.io`. */
  readonly reviews: ReadonlyMap<string, ReviewHandler>;
  /** Subresources that take over the connection, by `pods/exec`. */
  readonly connects: ReadonlyMap<string, ConnectHandler>;
  /** Subresources, and resources that are not stored, with a behaviour of their own, by `pods/binding`, or by `scale` for all resources; then by verb. */
  readonly subresources: ReadonlyMap<string, Readonly<Record<string, VerbHandler>>>;
}

const verbs: Readonly<Record<string, VerbHandler>> = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: remove,
  deletecollection: removeCollection,
};
/** Of subresources that are a part of their object, such as `status`. */
const partVerbs: Readonly<Record<string, VerbHandler>> = { get, update, patch };

/** Sends each request to who answers it. */
export class Router {
  readonly #options: RouterOptions;
  readonly #prefixes: readonly (readonly [string, ConnectHandler])[];

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#prefixes = [...options.paths].filter(([path]) => path.length > 1 && path.endsWith('/'));
  }

  route(context: RequestContext): Promise<void> {
    return context.info.isResourceRequest ? this.#resource(context) : this.#path(context);
  }

  async #path(context: RequestContext): Promise<void> {
    const { path } = context.info;
    const handler = this.#options.paths.get(path) ?? this.#prefixes.find(([prefix]) => path.startsWith(prefix))?.[1];
    if (!handler) return pageNotFound(context);
    await handler(context);
  }

  async #resource(context: RequestContext): Promise<void> {
    const { scheme, reviews, connects, services } = this.#options;
    const { info } = context;
    const resource = scheme.find(info.group, info.version, info.resource);
    if (!resource) {
      const served = scheme.groups.some(
        ({ name, versions }) => name === info.group && versions.some(({ version }) => version === info.version),
      );
      if (!served) return pageNotFound(context);
      throw unknownResource();
    }
    checkScope(resource, context);
    const subresource = info.subresource === '' ? undefined : resource.subresources.get(info.subresource);
    if (info.subresource !== '' && !subresource) throw unknownResource();
    const key = keyOf(resource, info.subresource);
    const connect = connects.get(key);
    if (connect) return connect(context);
    const allowed = subresource?.verbs ?? resource.verbs;
    if (!allowed.includes(info.verb) || !fitsTarget(info)) throw methodNotAllowed();
    const handler = reviews.get(key);
    if (handler) return review(context, { services, resource, subresource, handler });

    const verb = this.#verb(key, info.subresource, info.verb);
    if (!verb) throw methodNotAllowed();
    const request: ResourceRequest = {
      services,
      context,
      resource: services.resource(parentOf(scheme, resource)),
      subresource,
    };
    await verb(request);
  }

  #verb(key: string, subresource: string, verb: string): VerbHandler | undefined {
    const { subresources } = this.#options;
    const own = subresources.get(key) ?? subresources.get(subresource);
    return (own ?? (subresource === '' ? verbs : partVerbs))[verb];
  }
}

/** `bindings` is an older way to write `pods/binding`. */
function parentOf(scheme: Scheme, resource: ResourceInfo): ResourceInfo {
  return (resource.resource === 'bindings' ? scheme.find('', 'v1', 'pods') : undefined) ?? resource;
}

function keyOf({ group, resource }: ResourceInfo, subresource: string): string {
  const name = group === '' ? resource : `${resource}.${group}`;
  return subresource === '' ? name : `${name}/${subresource}`;
}

/** A URL of one scope never reaches a resource of the other: it was authorized as something else. @throws {ApiError} `NotFound` */
function checkScope(resource: ResourceInfo, { info }: RequestContext): void {
  // A Namespace's own requests have its name as their namespace; any other would be judged by one namespace and reach another.
  const ownNamespace = resource.group === '' && resource.resource === 'namespaces' && info.name === info.namespace;
  if (!resource.namespaced && info.namespace !== '' && !ownNamespace) throw unknownResource();
  const single = info.verb !== 'list' && info.verb !== 'watch' && info.verb !== 'deletecollection';
  if (resource.namespaced && info.namespace === '' && info.verb === 'create') throw methodNotAllowed();
  if (resource.namespaced && info.namespace === '' && single) throw unknownResource();
  if (info.rest.length > 0 && info.subresource !== 'proxy') throw unknownResource();
}

/** A collection is not replaced, and nothing is created at a name; subresources are a target of their own. */
function fitsTarget({ verb, name, subresource }: RequestInfo): boolean {
  if (verb === 'update' || verb === 'patch') return name !== '';
  return verb !== 'create' || subresource !== '' || name === '';
}

function unknownResource(): ApiError {
  return new ApiError('NotFound', 'the server could not find the requested resource', { details: {} });
}

function pageNotFound({ exchange }: RequestContext): void {
  sendText(exchange, 404, '404 page not found\n', {
    'content-type': 'text/plain',
    'x-content-type-options': 'nosniff',
  });
}
