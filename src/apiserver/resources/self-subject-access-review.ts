import type { SelfSubjectAccessReviewSpec } from '../../api/kubernetes/authorization-v1.ts';
import type { JsonObject } from '../../api/object.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { ReviewHandler } from '../review.ts';
import { checkAttributes, checkUnstored, reviewAccess } from './access-review.ts';

/** `selfsubjectaccessreviews`: may I do this? What `kubectl auth can-i` asks. */
export function selfSubjectAccessReview(authorizer: Authorizer): ReviewHandler {
  return async (object, { user }) => {
    checkUnstored('SelfSubjectAccessReview', object);
    const spec = object['spec'] as JsonObject as SelfSubjectAccessReviewSpec; // decoded by its schema
    checkAttributes('SelfSubjectAccessReview', spec);
    const status = await reviewAccess(authorizer, user, spec);
    return { ...object, status: { ...status } };
  };
}
