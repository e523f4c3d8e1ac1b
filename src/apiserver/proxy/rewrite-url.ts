import { internalError } from '../../api/errors.ts';

/** How links of a proxied answer are made to lead through the proxy again. */
export interface LinkRewriting {
  /** Path up to and including `/proxy`. */
  readonly prefix: string;
  /** `address:port` of the backend. */
  readonly backendHost: string;
  /** What the client calls the API server. */
  readonly clientHost: string;
}

const url = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(.*)$/is;

/**
 * A link with the proxy's prefix before its path. Only absolute paths change, without a host or with the backend's or the client's own;
 * the backend's host is dropped, for nobody else can reach it.
 */
export function rewriteUrl(link: string, { prefix, backendHost, clientHost }: LinkRewriting): string {
  const [, scheme, host = '', path = '', rest = ''] = url.exec(link) ?? [];
  if (!path.startsWith('/') || (scheme !== undefined && !/^https?$/i.test(scheme))) return link;
  const lower = host.toLowerCase();
  const clients = host !== '' && lower === clientHost.toLowerCase();
  if (host !== '' && !clients && lower !== backendHost.toLowerCase()) return link;
  const inside = path === prefix || path.startsWith(`${prefix}/`);
  const origin = clients ? `${scheme === undefined ? '' : `${scheme}:`}//${host}` : '';
  return `${origin}${inside ? '' : prefix}${path}${rest}`;
}

/** The same for a `Location` header. @throws {ApiError} 500 for one that is no URL, as upstream */
export function rewriteLocation(location: string, rewriting: LinkRewriting): string {
  if (/[\0- \x7f]/.test(location) || /%(?![\da-f]{2})/i.test(location)) {
    throw internalError(`the backend answered with a Location that is no URL: ${JSON.stringify(location)}`);
  }
  return rewriteUrl(location, rewriting);
}
