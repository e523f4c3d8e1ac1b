import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Headers } from '../exchange.ts';
import { hopByHopHeaders } from '../hop-by-hop.ts';

type IncomingHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** What the API server says itself, and what would open its origin to others. */
const ownAnswerHeaders: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'audit-id',
  'warning',
  'x-kubernetes-pf-flowschema-uid',
  'x-kubernetes-pf-prioritylevel-uid',
]);
const bearerProtocol = /^base64url\.bearer\.authorization\.k8s\.io\./;

export interface ForwardOptions {
  readonly clientAddress: string | undefined;
  /** Whether a header, lower case, tells who is asking in the words of the front proxy's configuration. */
  readonly isIdentity: (name: string) => boolean;
}

/**
 * The client's headers without its credentials: who asks is the API server's matter. Cookies pass, as upstream. Names that differ from an identity
 * header only in `_` go too, since some servers read them as the same.
 */
export function withoutCredentials(headers: IncomingHeaders, { clientAddress, isIdentity }: ForwardOptions) {
  const kept: OutgoingHttpHeaders = {};
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || name.startsWith(':') || isCredential(name.replaceAll('_', '-'), isIdentity)) continue;
    kept[name] = value;
  }
  const protocols = kept['sec-websocket-protocol'];
  if (protocols !== undefined) {
    const offered = String(protocols).split(',');
    const rest = offered.map((protocol) => protocol.trim()).filter((protocol) => !bearerProtocol.test(protocol));
    if (rest.length > 0) kept['sec-websocket-protocol'] = rest.join(', ');
    else delete kept['sec-websocket-protocol'];
  }
  if (clientAddress !== undefined) {
    const before = kept['x-forwarded-for'];
    kept['x-forwarded-for'] = before === undefined ? clientAddress : `${String(before)}, ${clientAddress}`;
  }
  return kept;
}

/** What goes on with a request that is no upgrade. The host is the client's, as upstream. */
export function forwardedHeaders(
  headers: IncomingHeaders,
  options: ForwardOptions & { readonly forwardedUri: string },
) {
  const kept = withoutCredentials(headers, options);
  for (const name of connectionHeaders(headers)) delete kept[name];
  delete kept['expect']; // answered here: the body is on its way
  kept['host'] = hostOf(headers);
  kept['x-forwarded-uri'] = options.forwardedUri;
  return kept;
}

/** What of a backend's answer goes to the client. */
export function returnedHeaders(headers: IncomingHttpHeaders): Headers {
  const kept: Headers = {};
  const dropped = connectionHeaders(headers);
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !dropped.has(name) && !ownAnswerHeaders.has(name)) kept[name] = value;
  }
  return kept;
}

/** The host that the client asked for. */
export function hostOf(headers: IncomingHeaders): string {
  return String(headers[':authority'] ?? headers['host'] ?? '');
}

/** The texts of `Warning` headers. */
export function warningTexts(header: string | readonly string[] | undefined): string[] {
  const joined = Array.isArray(header) ? header.join(', ') : String(header ?? '');
  return [...joined.matchAll(/\b\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text.replace(/\\(.)/g, '$1'));
}

/** Hop-by-hop names, with those that `Connection` lists. */
function connectionHeaders({ connection }: IncomingHeaders): ReadonlySet<string> {
  const listed = String(connection ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'close' && name !== 'keep-alive');
  return listed.length === 0 ? hopByHopHeaders : new Set([...hopByHopHeaders, ...listed]);
}

function isCredential(name: string, isIdentity: ForwardOptions['isIdentity']): boolean {
  if (name === 'authorization' || name === 'proxy-authorization') return true;
  return name.startsWith('x-remote-') || name.startsWith('impersonate-') || isIdentity(name);
}
