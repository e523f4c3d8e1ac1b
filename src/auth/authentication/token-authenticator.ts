import type { Authentication } from '../authenticator.ts';

/** Says whose a bearer token is. Never throws for what a client sent. */
export interface TokenAuthenticator {
  readonly name: string;
  /**
   * `none` where the token is of another kind; `rejected` where it is of this kind and wrong.
   * @param audiences the token must be for one of them; the API server's own where the caller named none
   */
  authenticateToken(token: string, audiences: readonly string[]): Authentication | Promise<Authentication>;
}

/** What both have, in the order of `wanted`. */
export function matchAudiences(wanted: readonly string[], offered: readonly string[]): string[] {
  return wanted.filter((audience) => offered.includes(audience));
}

/** For tokens that name no audience: they are for the API server. `undefined` where something else was asked for. */
export function implicitAudiences(wanted: readonly string[], apiAudiences: readonly string[]): string[] | undefined {
  const matched = matchAudiences(wanted, apiAudiences);
  return wanted.length === 0 || matched.length > 0 ? matched : undefined;
}
