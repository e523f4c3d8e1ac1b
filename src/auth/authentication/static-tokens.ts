import { hash } from 'node:crypto';
import { ConfigError } from '../../lib/config-error.ts';
import { withAuthenticatedGroup } from '../groups.ts';
import type { UserInfo } from '../user.ts';
import { implicitAudiences, type TokenAuthenticator } from './token-authenticator.ts';

export interface StaticToken {
  readonly token: string;
  readonly user: UserInfo;
}

/** Tokens of `--token-auth-file`. Kept by their hash: looking one up takes the same time whatever it begins with. */
export function staticTokenAuthenticator(
  tokens: readonly StaticToken[],
  apiAudiences: readonly string[],
): TokenAuthenticator {
  const users = new Map(tokens.map(({ token, user }) => [hash('sha256', token), withAuthenticatedGroup(user)]));
  return {
    name: 'tokenfile',
    authenticateToken(token, wanted) {
      const user = users.get(hash('sha256', token));
      const audiences = implicitAudiences(wanted, apiAudiences);
      return user && audiences ? { outcome: 'authenticated', user, audiences } : { outcome: 'none' };
    },
  };
}

/**
 * Reads rows of `token,user,uid[,"group1,group2"]`. Of a token that is named twice the last row counts.
 * @throws {ConfigError} which names the row, never its content
 */
export function parseStaticTokens(text: string): StaticToken[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    if (line.trim() === '') return [];
    const [token = '', username = '', uid = '', groups = ''] = parseRow(line, index + 1);
    if (token === '') return [];
    const names = groups.split(',').map((group) => group.trim());
    return [{ token, user: { username, uid, groups: names.filter((group) => group !== ''), extra: {} } }];
  });
}

function parseRow(line: string, row: number): string[] {
  const fields: string[] = [];
  const pattern = /\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)/y;
  for (let more = true; more; ) {
    const match = pattern.exec(line);
    if (!match) throw new ConfigError(`Token file row ${row}: a quote is not closed or stands inside a field`);
    fields.push(match[1] === undefined ? (match[2] ?? '').trim() : match[1].replaceAll('""', '"'));
    more = match[3] === ',';
  }
  if (fields.length < 3)
    throw new ConfigError(
      `Token file row ${row}: expected at least 3 columns (token, user, uid), found ${fields.length}`,
    );
  return fields;
}
