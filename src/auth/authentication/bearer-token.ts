import type { Authentication, Authenticator, Credentials } from '../authenticator.ts';
import type { TokenAuthenticator } from './token-authenticator.ts';

const subprotocolPrefix = 'base64url.bearer.authorization.k8s.io.';
/** Longer ones are nobody's. */
const maxTokenLength = 32 * 1024;

export interface BearerTokenOptions {
  /** Asked in this order. */
  readonly authenticators: readonly TokenAuthenticator[];
  readonly apiAudiences: readonly string[];
}

type Found =
  | { readonly token: string; readonly subprotocols?: string }
  | { readonly token: undefined; readonly error?: Error };

/**
 * Tokens in the `Authorization` header. One that nobody knows is an error: it never leads to the anonymous user.
 * Source: k8s.io/apiserver `pkg/authentication/request/bearertoken`, `…/websocket`.
 */
export function bearerTokenAuthenticator(options: BearerTokenOptions): Authenticator {
  return {
    name: 'bearer',
    authenticate: (credentials) => judge(parseBearerHeader(credentials.headers['authorization']), credentials, options),
  };
}

/** The same tokens where a browser opens a WebSocket and can send no header: as one of the subprotocols. */
export function webSocketTokenAuthenticator(options: BearerTokenOptions): Authenticator {
  return {
    name: 'websocket',
    authenticate: (credentials) => judge(parseSubprotocols(credentials.headers), credentials, options),
  };
}

function judge(
  found: Found,
  credentials: Credentials,
  { authenticators, apiAudiences }: BearerTokenOptions,
): Authentication | Promise<Authentication> {
  if (found.token === undefined) return found.error ? { outcome: 'rejected', error: found.error } : { outcome: 'none' };
  if (found.token.length > maxTokenLength) return { outcome: 'rejected', error: new Error('invalid bearer token') };
  const { subprotocols } = found;
  const finish = (result: Authentication): Authentication =>
    result.outcome === 'authenticated' && subprotocols !== undefined
      ? { ...result, rewrittenHeaders: { 'sec-websocket-protocol': subprotocols } }
      : result;
  const result = askInOrder(found.token, credentials.audiences ?? apiAudiences, authenticators, 0, []);
  return result instanceof Promise ? result.then(finish) : finish(result);
}

/** The first who knows the token; otherwise everything that was said against it. */
function askInOrder(
  token: string,
  audiences: readonly string[],
  authenticators: readonly TokenAuthenticator[],
  from: number,
  errors: readonly Error[],
): Authentication | Promise<Authentication> {
  const complaints = [...errors];
  for (let index = from; index < authenticators.length; index++) {
    const result = authenticators[index]?.authenticateToken(token, audiences) ?? { outcome: 'none' };
    if (result instanceof Promise) {
      return result.then((settled) => {
        if (settled.outcome === 'authenticated') return settled;
        const next = settled.outcome === 'rejected' ? [...complaints, settled.error] : complaints;
        return askInOrder(token, audiences, authenticators, index + 1, next);
      });
    }
    if (result.outcome === 'authenticated') return result;
    if (result.outcome === 'rejected') complaints.push(result.error);
  }
  const message = ['invalid bearer token', ...complaints.map((error) => error.message)];
  return {
    outcome: 'rejected',
    error: new Error(message.length === 1 ? message[0] : `[${message.join(', ')}]`, { cause: complaints[0] }),
  };
}

/** At most three parts at single spaces: two spaces make an empty token, which upstream ignores. */
export function parseBearerHeader(header: string | string[] | undefined): Found {
  const [first] = [header].flat();
  if (!first) return { token: undefined };
  const [scheme = '', token = ''] = first.trim().split(' ');
  if (scheme.toLowerCase() !== 'bearer' || token === '') return { token: undefined };
  return { token };
}

function parseSubprotocols(headers: Credentials['headers']): Found {
  const header = headers['sec-websocket-protocol'];
  if (header === undefined || !isWebSocketRequest(headers)) return { token: undefined };
  const offered = [header]
    .flat()
    .flatMap((value) => value.split(','))
    .map((protocol) => protocol.trim());
  const tokens = offered.filter((protocol) => protocol.startsWith(subprotocolPrefix));
  const others = offered.filter((protocol) => protocol !== '' && !protocol.startsWith(subprotocolPrefix));
  const [encoded, ...more] = tokens;
  if (encoded === undefined) return { token: undefined };
  if (more.length > 0)
    return { token: undefined, error: new Error('multiple base64.bearer.authorization tokens specified') };
  if (others.length === 0) return { token: undefined, error: new Error('missing additional subprotocol') };
  const text = encoded.slice(subprotocolPrefix.length);
  const bytes = Buffer.from(text, 'base64url');
  // Node decodes what it can: only the exact encoding counts
  if (bytes.length === 0 || bytes.toString('base64url') !== text) {
    return { token: undefined, error: new Error('invalid base64.bearer.authorization token encoding') };
  }
  return { token: bytes.toString('utf8'), subprotocols: others.join(', ') };
}

/** Over HTTP/1.1 an upgrade, over HTTP/2 an extended CONNECT. */
function isWebSocketRequest(headers: Credentials['headers']): boolean {
  const text = (name: string) => String(headers[name] ?? '').toLowerCase();
  return (
    text(':protocol') === 'websocket' || (text('upgrade') === 'websocket' && /\bupgrade\b/.test(text('connection')))
  );
}
