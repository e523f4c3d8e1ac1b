import { badRequest, internalError } from '../../api/errors.ts';
import type { TokenReview, TokenReviewStatus } from '../../api/kubernetes/authentication-v1.ts';
import type { JsonObject } from '../../api/object.ts';
import { matchAudiences } from '../../auth/authentication/token-authenticator.ts';
import type { Authenticator } from '../../auth/authenticator.ts';
import { anonymousUser } from '../../auth/user.ts';
import type { ReviewHandler } from '../review.ts';
import { formatUser } from './reviewed-user.ts';

export interface TokenReviewHandlerOptions {
  /** The one that judges requests: it is shown a request that has nothing but the token. */
  readonly authenticator: Authenticator;
  /** What tokens are for where the review names no audience. */
  readonly apiAudiences: readonly string[];
}

/**
 * `tokenreviews`: whose token this is, for servers that hold no keys. A wrong token is an answer, not a failure.
 * Source: k8s.io/kubernetes `pkg/registry/authentication/tokenreview`.
 */
export function tokenReviewHandler({ authenticator, apiAudiences }: TokenReviewHandlerOptions): ReviewHandler {
  return async (object) => {
    const { spec } = object as unknown as TokenReview; // its type was checked when it was decoded
    if (!spec?.token) throw badRequest('token is required for TokenReview in authentication');
    const wanted = spec.audiences?.length ? spec.audiences : apiAudiences;
    const headers = { authorization: `Bearer ${spec.token}` };
    const result = await authenticator.authenticate({ headers, socket: undefined, path: '', audiences: wanted });
    let status: TokenReviewStatus = { authenticated: false };
    if (result.outcome === 'rejected') status = { authenticated: false, error: result.error.message };
    else if (result.outcome === 'authenticated' && result.user.username !== anonymousUser.username) {
      const audiences = result.audiences ?? [];
      if (wanted.length > 0 && matchAudiences(wanted, audiences).length === 0) {
        throw internalError('the token authenticator answered for audiences that were not asked for');
      }
      status = {
        authenticated: true,
        user: formatUser(result.user),
        ...(audiences.length > 0 && { audiences: [...audiences] }),
      };
    }
    return { ...object, status: status as JsonObject }; // booleans, strings and lists of strings only
  };
}
