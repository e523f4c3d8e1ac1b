import { formatApiVersion, type KubeList, type KubeObject } from '../api/object.ts';
import { decodeText } from '../lib/bytes.ts';
import type {
  ApiClient,
  CallOptions,
  ListOptions,
  ObjectRef,
  PatchType,
  RawRequest,
  RawResponse,
  ReadOptions,
  ResourceRef,
  WatchEvent,
  WatchOptions,
} from './client.ts';
import type { ClientConfig } from './client-config.ts';
import { listQuery, resourcePath } from './resource-path.ts';
import { statusError } from './status-error.ts';
import { Transport } from './transport.ts';

export type { ClientConfig } from './client-config.ts';

const json = { 'content-type': 'application/json' };
/** Asks for objects cut down to their metadata. A server that cannot answers 406. */
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const metadataListOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/** Opens nothing yet: the first call does. @throws {ConfigError} if the server is no https address */
export function connectApi(config: ClientConfig): ApiClient {
  const transport = new Transport(config);

  async function send<T>(request: RawRequest, options: CallOptions): Promise<T> {
    const answer = await transport.call(request, options);
    if (answer.status < 200 || answer.status > 299) throw statusError(answer, `${request.method} ${request.path}`);
    // The API server's answer to a typed path has that path's type.
    return JSON.parse(decodeText(answer.body)) as T;
  }

  return {
    server: transport.server,

    get: (resource, ref, options = {}) =>
      send({ method: 'GET', path: resourcePath(resource, ref), ...acceptOf(options, metadataOnly) }, options),

    list: <T extends KubeObject>(resource: ResourceRef, options: ListOptions & ReadOptions = {}) => {
      const path = resourcePath(resource, namespaceOf(options)) + listQuery(options);
      return send<KubeList<T>>({ method: 'GET', path, ...acceptOf(options, metadataListOnly) }, options);
    },

    create: (resource, object, options = {}) => {
      const { name, subresource } = options;
      const namespace = options.namespace ?? object.metadata?.namespace;
      const path = resourcePath(resource, {
        ...namespaceOf({ namespace }),
        ...(name !== undefined && { name }),
        ...(subresource && { subresource }),
      });
      return send({ method: 'POST', path, headers: json, body: encodeObject(resource, object, subresource) }, options);
    },

    update: (resource, object, options = {}) => {
      const { subresource } = options;
      const path = resourcePath(resource, { ...refOf(object), ...(subresource && { subresource }) });
      return send({ method: 'PUT', path, headers: json, body: encodeObject(resource, object, subresource) }, options);
    },

    patch: (resource: ResourceRef, ref: ObjectRef, patch: unknown, options: CallOptions & { type: PatchType }) => {
      const headers = { 'content-type': options.type };
      return send(
        { method: 'PATCH', path: resourcePath(resource, ref), headers, body: JSON.stringify(patch) },
        options,
      );
    },

    delete: async (resource, ref, { gracePeriodSeconds, propagationPolicy, preconditions, ...options } = {}) => {
      const body = JSON.stringify({
        kind: 'DeleteOptions',
        apiVersion: 'v1',
        gracePeriodSeconds,
        propagationPolicy,
        preconditions,
      });
      await send({ method: 'DELETE', path: resourcePath(resource, ref), headers: json, body }, options);
    },

    deleteCollection: async (resource, { propagationPolicy, ...options } = {}) => {
      const path = resourcePath(resource, namespaceOf(options)) + listQuery(options);
      const body = JSON.stringify({ kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy });
      await send({ method: 'DELETE', path, headers: json, body }, options);
    },

    watch: <T extends KubeObject>(resource: ResourceRef, options: WatchOptions) =>
      watchEvents<T>(transport, resource, options),

    request: (request, options = {}) => transport.call(request, options),
    rotate: () => transport.rotate(),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}

async function* watchEvents<T extends KubeObject>(
  transport: Transport,
  resource: ResourceRef,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const { sendInitialEvents, timeoutSeconds } = options;
  const path =
    resourcePath(resource, namespaceOf(options)) +
    listQuery(options, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      ...(timeoutSeconds !== undefined && { timeoutSeconds: String(timeoutSeconds) }),
      ...(sendInitialEvents !== undefined && {
        sendInitialEvents: String(sendInitialEvents),
        resourceVersionMatch: 'NotOlderThan',
      }),
    });
  const request = { method: 'GET', path, ...acceptOf(options, metadataOnly) };
  const toError = (answer: RawResponse) => statusError(answer, `WATCH ${path}`);
  for await (const line of transport.lines(request, { ...options, toError })) {
    yield JSON.parse(line) as WatchEvent<T>; // As for any answer: the path decides the type.
  }
}

function acceptOf(options: ReadOptions, media: string): Pick<RawRequest, 'headers'> {
  return options.metadataOnly ? { headers: { accept: media } } : {};
}

function namespaceOf({ namespace }: { namespace?: string | undefined }): { namespace?: string } {
  return namespace === undefined || namespace === '' ? {} : { namespace };
}

function refOf({ metadata }: KubeObject): ObjectRef {
  if (metadata?.name === undefined) throw new TypeError('The object has no name');
  return { name: metadata.name, ...namespaceOf(metadata) };
}

/** Items of a list may come without type; the server wants it in a body. */
function encodeObject(resource: ResourceRef, object: KubeObject, subresource: string | undefined): string {
  const { group, version, kind } = resource;
  if (object.kind !== undefined || kind === undefined || (subresource !== undefined && !sameKind.has(subresource))) {
    return JSON.stringify(object);
  }
  return JSON.stringify({ ...object, apiVersion: formatApiVersion(group, version), kind });
}

/** Subresources that take the whole object. */
const sameKind: ReadonlySet<string> = new Set(['status', 'approval', 'finalize', 'ephemeralcontainers', 'resize']);
