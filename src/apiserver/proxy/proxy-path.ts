import type { RequestInfo } from '../request-info.ts';

/** The parts of a proxied request's target, as they came: nothing is decoded and encoded again. */
export interface ProxyPath {
  /** Up to and including `/proxy`. */
  readonly prefix: string;
  /** Behind it, with its leading slash; empty where the request ends with `/proxy`. Runs of slashes are one. */
  readonly path: string;
  /** With its question mark; empty where there is none. */
  readonly search: string;
}

/**
 * Splits `url`, whose path has been found canonical: no `.` or `..` segments, no encoded slashes. So its segments are those of
 * `info`, and what is authorized is what is cut off here.
 */
export function splitProxyPath(url: string, { namespace }: Pick<RequestInfo, 'namespace'>): ProxyPath {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const segments = path.split('/');
  const named = namespace === '' ? 6 : 8; // '', api, v1, [namespaces, <ns>,] <resource>, <id>, proxy
  const rest = segments.slice(named);
  return {
    prefix: segments.slice(0, named).join('/'),
    // A fragment is no part of a request; a server that thinks otherwise would see another path.
    path: rest.length === 0 ? '' : `/${rest.join('/')}`.replace(/\/{2,}/g, '/').replaceAll('#', '%23'),
    search: mark < 0 ? '' : url.slice(mark),
  };
}
