import { createHash } from 'node:crypto';
import { ApiError } from '../../api/errors.ts';
import type { Scheme } from '../../api/scheme.ts';
import { encodeText } from '../../lib/bytes.ts';
import { localPriority } from '../aggregation/local-priorities.ts';
import type { Exchange, RequestContext } from '../exchange.ts';
import { accepted, parseAccept } from '../negotiation.ts';
import { sendBytes, sendJsonBytes } from '../respond.ts';
import type { ConnectHandler } from '../review.ts';
import { groupDiscoveryList } from './aggregated.ts';
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from './legacy.ts';
import { mergeGroups, noRemoteGroups, type Priorities, type RemoteGroups, type ServedGroup } from './remote-groups.ts';

interface Document {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/**
 * Everything below `/api` and `/apis` that names no resource, by path. Documents are built when first asked for, and again when what others
 * serve has changed.
 */
export function discoveryHandlers(
  scheme: Scheme,
  serverAddress: () => string,
  remote: RemoteGroups = noRemoteGroups,
): ReadonlyMap<string, ConnectHandler> {
  const core = scheme.groups.filter(({ name }) => name === '');
  const named = scheme.groups.filter(({ name }) => name !== '');
  const local = () => mergeGroups(core, [], localPriorities);
  const merged = () => mergeGroups(named, remote.groups(), localPriorities);
  const generation = () => remote.generation;
  const handlers = new Map<string, ConnectHandler>();
  const add = (path: string, handler: ConnectHandler) => {
    handlers.set(path, handler);
    handlers.set(`${path}/`, handler);
  };
  add('/api', discoveryRoot(local, { build: () => apiVersions(serverAddress()), generation: () => 0 }));
  add('/apis', discoveryRoot(merged, { build: () => apiGroupList(merged()), generation }));
  for (const group of scheme.groups) {
    const root = group.name === '' ? '/api' : `/apis/${group.name}`;
    if (group.name !== '') add(root, groupHandler(group.name, merged, generation));
    for (const { version, resources } of group.versions) {
      add(
        `${root}/${version}`,
        legacy(() => apiResourceList(group.name, version, resources)),
      );
    }
  }
  return exactOnly(handlers);
}

/** `/apis/{group}` of a group that others alone serve. @throws {ApiError} `NotFound` */
export async function serveRemoteGroup(context: RequestContext, remote: RemoteGroups, name: string): Promise<void> {
  requireRead(context.exchange);
  await groupHandler(name, () => mergeGroups([], remote.groups(), localPriorities))(context);
}

const localPriorities: Priorities = {
  group: (name) => localPriority(name, 'v1').groupPriorityMinimum,
  version: (group, version) => localPriority(group, version).versionPriority,
};

function groupHandler(name: string, groups: () => readonly ServedGroup[], generation?: () => number): ConnectHandler {
  return legacy(() => {
    const group = groups().find((candidate) => candidate.name === name);
    if (!group) throw new ApiError('NotFound', 'the server could not find the requested resource', { details: {} });
    return apiGroup(group);
  }, generation);
}

/** A slash at the end of a key would make it a prefix: discovery's are exact. */
function exactOnly(handlers: ReadonlyMap<string, ConnectHandler>): ReadonlyMap<string, ConnectHandler> {
  const exact = new Map<string, ConnectHandler>();
  for (const [path, handler] of handlers) {
    exact.set(path, async (context) => {
      const asked = context.info.path;
      if (asked !== path)
        throw new ApiError('NotFound', 'the server could not find the requested resource', { details: {} });
      requireRead(context.exchange);
      await handler(context);
    });
  }
  return exact;
}

function requireRead({ method }: Exchange): void {
  if (method === 'GET' || method === 'HEAD') return;
  throw new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
}

/** The aggregated document in the version that the client asks for first, or else the legacy one. */
function discoveryRoot(
  groups: () => readonly ServedGroup[],
  { build, generation }: { build: () => object; generation: () => number },
): ConnectHandler {
  const aggregated = new Map<string, Document>();
  let built = generation();
  const plain = legacy(build, generation);
  return async (context) => {
    const { exchange } = context;
    const version = aggregatedVersion(String(exchange.headers['accept'] ?? ''));
    exchange.setHeader('vary', 'Accept');
    if (version === undefined) return plain(context);
    if (built !== generation()) {
      aggregated.clear();
      built = generation();
    }
    let document = aggregated.get(version);
    if (!document) {
      document = makeDocument(groupDiscoveryList(groups(), version));
      aggregated.set(version, document);
    }
    exchange.setHeader('cache-control', 'public');
    exchange.setHeader('etag', document.etag);
    if (exchange.headers['if-none-match'] === document.etag) return exchange.respond(304, {});
    const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    await sendBytes(exchange, 200, { format: 'json', bytes: document.bytes, contentType });
  };
}

function aggregatedVersion(accept: string): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== 'application/json' && type !== '*/*' && type !== 'application/*') continue;
    if (parameters['as'] === undefined) return undefined;
    if (parameters['as'] !== 'APIGroupDiscoveryList' || parameters['g'] !== 'apidiscovery.k8s.io') continue;
    if (parameters['v'] === 'v2' || parameters['v'] === 'v2beta1') return parameters['v'];
  }
  return undefined;
}

function legacy(build: () => object, generation: () => number = () => 0): ConnectHandler {
  let bytes: Uint8Array | undefined;
  let built = generation();
  return async ({ exchange }) => {
    if (built !== generation()) bytes = undefined;
    built = generation();
    bytes ??= encodeText(JSON.stringify(build()));
    // Clients that prefer protobuf take JSON here: these documents are small and few.
    const format = accepted(String(exchange.headers['accept'] ?? '*/*'))?.format === 'yaml' ? 'yaml' : 'json';
    await sendJsonBytes(exchange, 200, bytes, format);
  };
}

function makeDocument(value: object): Document {
  const bytes = encodeText(JSON.stringify(value));
  return { bytes, etag: `"${createHash('sha512').update(bytes).digest('hex')}"` };
}
