import type { UserInfo } from '../../auth/user.ts';

/** The headers with which a front proxy names the user to an extension API server. */
export function userHeaders({ username, uid, groups, extra }: UserInfo): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'x-remote-user': encodeValue(username) };
  if (uid !== '') headers['x-remote-uid'] = encodeValue(uid);
  if (groups.length > 0) headers['x-remote-group'] = groups.map(encodeValue);
  for (const [key, values] of Object.entries(extra)) {
    if (values.length > 0) headers[`x-remote-extra-${encodeKey(key)}`] = values.map(encodeValue);
  }
  return headers;
}

/** UTF-8 bytes as they are, which Node takes only as Latin-1; a line break would be refused by it, and ends the request. */
function encodeValue(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}

/** What may not stand in a header's name, and the percent sign itself, is percent-encoded. */
function encodeKey(key: string): string {
  let encoded = '';
  for (const byte of Buffer.from(key, 'utf8')) {
    const sign = String.fromCharCode(byte);
    const plain = /[!#$&'*+\-.^_`|~0-9A-Za-z]/.test(sign);
    encoded += plain ? sign : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
