import { badRequest } from '../api/errors.ts';

/** What a URL and a method ask for. Source: k8s.io/apiserver `pkg/endpoints/request/requestinfo.go`. */
export interface RequestInfo {
  readonly isResourceRequest: boolean;
  readonly path: string;
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; the lower-case method for other paths. */
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  /** Segments behind the subresource: the path to proxy to. */
  readonly rest: readonly string[];
  readonly namespace: string;
  readonly name: string;
}

/** Reads a request's target. `path` is decoded by {@link decodePath}. */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const segments = path.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  const [root, second = ''] = segments;
  const head = root === 'api' ? 2 : root === 'apis' ? 3 : 0;
  if (head === 0 || segments.length <= head) return nonResource(method, path);
  const group = root === 'api' ? '' : second;
  const version = segments[head - 1] ?? '';

  let verb = verbs[method] ?? '';
  let parts = segments.slice(head);
  const [prefix] = parts;
  // The deprecated prefixes `watch/` and `proxy/`.
  if (prefix === 'watch' || prefix === 'proxy') {
    if (parts.length < 2) return nonResource(method, path);
    verb = prefix;
    parts = parts.slice(1);
  }

  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1] ?? '';
    const third = parts[2];
    if (third !== undefined && !namespaceSubresources.has(third)) parts = parts.slice(2);
  }
  const [resource = '', name = '', subresource = '', ...rest] = parts;
  // `//` names no resource, and must not be read as one; behind `proxy` the path is somebody else's
  const own = subresource === 'proxy' ? segments.slice(0, segments.length - rest.length) : segments;
  if (own.includes('')) return nonResource(method, path);
  const target = { group, version, resource, subresource, rest, namespace };
  if (name === '' && verb === 'get') {
    const list = isTrue(query.get('watch')) ? 'watch' : 'list';
    return { isResourceRequest: true, path, verb: list, ...target, name: nameSelector(query) };
  }
  if (name === '' && verb === 'delete') verb = 'deletecollection';
  if (name !== '' && subresource === '' && verb === 'get' && isTrue(query.get('watch'))) verb = 'watch';
  const selected = name === '' && (verb === 'watch' || verb === 'deletecollection') ? nameSelector(query) : name;
  return { isResourceRequest: true, path, verb, ...target, name: selected };
}

/**
 * The path of a URL, decoded once. What is authorized is what is routed, so nothing ambiguous gets further:
 * `.` and `..` segments, encoded slashes and undecodable escapes are refused.
 */
export function decodePath(raw: string): string {
  if (!raw.startsWith('/')) throw badRequest('the request path must start with a slash');
  if (!suspicious.test(raw)) return raw;
  if (/%2f|%5c|%00/i.test(raw)) throw badRequest('the request path must not contain encoded slashes');
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch (error) {
    throw badRequest('the request path is not well encoded', { cause: error });
  }
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw badRequest('the request path must not contain "." or ".." segments');
  }
  return path;
}

/** A boolean query parameter: absent is false, present and empty is true, as are all values but `false` and `0`. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

/** Anything that needs a second look: an escape, or a segment that begins with a dot. */
const suspicious = /%|\/\.|\\/;

const namespaceSubresources: ReadonlySet<string> = new Set(['status', 'finalize']);

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

function nonResource(method: string, path: string): RequestInfo {
  return {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    group: '',
    version: '',
    resource: '',
    subresource: '',
    rest: [],
    namespace: '',
    name: '',
  };
}

/** `metadata.name=x` in a field selector names the object for authorization. */
function nameSelector(query: URLSearchParams): string {
  const selector = query.get('fieldSelector');
  if (selector === null) return '';
  for (const term of selector.split(',')) {
    const match = /^metadata\.name==?([^=!]*)$/.exec(term.trim());
    const name = match?.[1] ?? '';
    if (name !== '' && /^[^/%]+$/.test(name) && name !== '.' && name !== '..') return name;
  }
  return '';
}
