import { createHash } from 'node:crypto';
import { ApiError } from '../../api/errors.ts';
import type { GroupInfo, Scheme } from '../../api/scheme.ts';
import { encodeText } from '../../lib/bytes.ts';
import type { Exchange } from '../exchange.ts';
import { accepted, parseAccept } from '../negotiation.ts';
import { sendBytes, sendJsonBytes } from '../respond.ts';
import type { ConnectHandler } from '../review.ts';
import { groupDiscoveryList } from './aggregated.ts';
import { apiGroup, apiGroupList, apiResourceList, apiVersions } from './legacy.ts';

interface Document {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** Everything below `/api` and `/apis` that names no resource, by path. Documents are built when first asked for. */
export function discoveryHandlers(scheme: Scheme, serverAddress: () => string): ReadonlyMap<string, ConnectHandler> {
  const core = scheme.groups.filter(({ name }) => name === '');
  const named = scheme.groups.filter(({ name }) => name !== '');
  const handlers = new Map<string, ConnectHandler>();
  const add = (path: string, handler: ConnectHandler) => {
    handlers.set(path, handler);
    handlers.set(`${path}/`, handler);
  };
  add(
    '/api',
    discoveryRoot(core, () => apiVersions(serverAddress())),
  );
  add(
    '/apis',
    discoveryRoot(named, () => apiGroupList(scheme)),
  );
  for (const group of scheme.groups) {
    const root = group.name === '' ? '/api' : `/apis/${group.name}`;
    if (group.name !== '')
      add(
        root,
        legacy(() => apiGroup(group)),
      );
    for (const { version, resources } of group.versions) {
      add(
        `${root}/${version}`,
        legacy(() => apiResourceList(group.name, version, resources)),
      );
    }
  }
  return exactOnly(handlers);
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
function discoveryRoot(groups: readonly GroupInfo[], build: () => object): ConnectHandler {
  const aggregated = new Map<string, Document>();
  const plain = legacy(build);
  return async (context) => {
    const { exchange } = context;
    const version = aggregatedVersion(String(exchange.headers['accept'] ?? ''));
    exchange.setHeader('vary', 'Accept');
    if (version === undefined) return plain(context);
    let document = aggregated.get(version);
    if (!document) {
      document = makeDocument(groupDiscoveryList(groups, version));
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

function legacy(build: () => object): ConnectHandler {
  let bytes: Uint8Array | undefined;
  return async ({ exchange }) => {
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
