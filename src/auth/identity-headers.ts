type IncomingHeaders = Readonly<Record<string, string | string[] | undefined>>;

/**
 * Gives headers that name identities (`x-remote-*`, `impersonate-*`) as arrays where they were sent more than once.
 *
 * Node joins repeated headers with `, `, and then a group that has this in its name cannot be told from two groups. Nothing that reads such
 * headers splits a value: what was not separated here is one strange name, never more rights.
 * @param rawHeaders name, value, name, value … as they came
 */
export function separateIdentityHeaders(headers: IncomingHeaders, rawHeaders: readonly string[]): IncomingHeaders {
  // as many names as fields: nothing was sent twice, which is nearly always so
  if (rawHeaders.length === Object.keys(headers).length * 2) return headers;
  const separated: Record<string, string[]> = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    if (!isIdentityHeader(name)) continue;
    separated[name] ??= [];
    separated[name].push(rawHeaders[index + 1] ?? '');
  }
  return Object.keys(separated).length === 0 ? headers : { ...headers, ...separated };
}

/** Every value of a header, in order. */
export function headerValues(headers: IncomingHeaders, name: string): string[] {
  return [headers[name] ?? []].flat();
}

/**
 * Headers with one of the prefixes, by the rest of their name, which is lower-cased and then percent-decoded.
 * A key that cannot be decoded stays as it is.
 */
export function readExtra(headers: IncomingHeaders, prefixes: readonly string[]): Record<string, string[]> {
  const extra = new Map<string, string[]>();
  for (const name of Object.keys(headers)) {
    const prefix = prefixes.find((candidate) => name.startsWith(candidate));
    if (prefix === undefined) continue;
    const key = decodeKey(name.slice(prefix.length));
    extra.set(key, [...(extra.get(key) ?? []), ...headerValues(headers, name)]);
  }
  return Object.fromEntries(extra);
}

function isIdentityHeader(name: string): boolean {
  return name.startsWith('x-remote-') || name.startsWith('impersonate-');
}

function decodeKey(raw: string): string {
  const key = raw.toLowerCase();
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
