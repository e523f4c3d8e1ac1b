import type { Authenticator } from '../auth/authenticator.ts';
import type { ClusterAuthorizer } from '../auth/authorization/create-authorizer.ts';
import type { ObjectSource } from '../auth/object-source.ts';
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import type { Clock } from '../lib/clock.ts';
import type { ServiceAccountConfig } from './config.ts';
import { localSubjectAccessReview } from './resources/local-subject-access-review.ts';
import { selfSubjectAccessReview } from './resources/self-subject-access-review.ts';
import { selfSubjectReviewHandler } from './resources/self-subject-review.ts';
import { selfSubjectRulesReview } from './resources/self-subject-rules-review.ts';
import { subjectAccessReview } from './resources/subject-access-review.ts';
import { tokenRequestHandler } from './resources/token-request.ts';
import { tokenReviewHandler } from './resources/token-review.ts';
import type { ReviewHandler } from './review.ts';

export interface ReviewDependencies {
  readonly authenticator: Authenticator;
  readonly authorizer: ClusterAuthorizer;
  readonly tokens: ServiceAccountTokens;
  readonly objects: ObjectSource;
  /** Resolves when `objects` is as new as the store is now. */
  readonly refreshObjects: () => Promise<void>;
  readonly clock: Clock;
  readonly serviceAccounts: ServiceAccountConfig;
}

/** Everything that answers a POST and stores nothing, as the router looks it up. */
export function reviewHandlers(dependencies: ReviewDependencies): ReadonlyMap<string, ReviewHandler> {
  const { authenticator, authorizer, tokens, objects, refreshObjects, clock, serviceAccounts } = dependencies;
  const { maxExpirationSeconds, extendExpiration } = serviceAccounts;
  return new Map([
    ['tokenreviews.authentication.k8s.io', tokenReviewHandler({ authenticator, apiAudiences: tokens.apiAudiences })],
    ['selfsubjectreviews.authentication.k8s.io', selfSubjectReviewHandler({ clock })],
    ['subjectaccessreviews.authorization.k8s.io', subjectAccessReview(authorizer)],
    ['localsubjectaccessreviews.authorization.k8s.io', localSubjectAccessReview(authorizer)],
    ['selfsubjectaccessreviews.authorization.k8s.io', selfSubjectAccessReview(authorizer)],
    ['selfsubjectrulesreviews.authorization.k8s.io', selfSubjectRulesReview(authorizer)],
    [
      'serviceaccounts/token',
      tokenRequestHandler({
        tokens,
        objects,
        refreshObjects,
        ...(maxExpirationSeconds !== undefined && { maxExpirationSeconds }),
        ...(extendExpiration !== undefined && { extendExpiration }),
      }),
    ],
  ]);
}
