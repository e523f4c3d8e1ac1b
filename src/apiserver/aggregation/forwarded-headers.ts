import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import type { Headers } from '../exchange.ts';
import { hopByHopHeaders } from '../hop-by-hop.ts';

/** The client's credentials are this server's to judge: nobody else sees them. */
const credentials: ReadonlySet<string> = new Set(['authorization', 'cookie']);

/** A client's headers as an extension API server gets them. What names identities comes from this server alone. */
export function requestHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  { remoteAddress, host }: { remoteAddress: string | undefined; host: string },
): OutgoingHttpHeaders {
  const named = namedByConnection(headers['connection']);
  const result: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':') || name === 'host' || name === 'expect') continue;
    if (hopByHopHeaders.has(name) || credentials.has(name) || named.has(name) || isIdentity(name)) continue;
    result[name] = value;
  }
  const already = [headers['x-forwarded-for'] ?? []].flat();
  if (remoteAddress !== undefined) result['x-forwarded-for'] = [...already, remoteAddress].join(', ');
  result['x-forwarded-host'] = host;
  result['x-forwarded-proto'] = 'https';
  return result;
}

/** An extension API server's headers as the client gets them. */
export function answerHeaders(headers: IncomingHttpHeaders): Headers {
  const named = namedByConnection(headers.connection);
  const result: Headers = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || hopByHopHeaders.has(name) || named.has(name) || name === 'set-cookie') continue;
    result[name] = value;
  }
  return result;
}

function isIdentity(name: string): boolean {
  // Some servers read an underscore as a hyphen.
  const canonical = name.replaceAll('_', '-');
  return canonical.startsWith('x-remote-') || canonical.startsWith('impersonate-');
}

function namedByConnection(value: string | string[] | undefined): ReadonlySet<string> {
  const names = [value ?? []].flat().flatMap((text) => text.split(','));
  return new Set(names.map((name) => name.trim().toLowerCase()));
}
