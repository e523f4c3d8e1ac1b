import type { SubjectAccessReviewSpec } from '../../api/kubernetes/authorization-v1.ts';
import type { JsonKubeObject, JsonObject } from '../../api/object.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { UserInfo } from '../../auth/user.ts';
import type { ReviewHandler } from '../review.ts';
import { checkAttributes, checkSubject, checkUnstored, reviewAccess } from './access-review.ts';

/** `subjectaccessreviews`: may that user do this? Nothing is added to the groups given. */
export function subjectAccessReview(authorizer: Authorizer): ReviewHandler {
  return async (object) => {
    checkUnstored('SubjectAccessReview', object);
    return reviewSubject(authorizer, 'SubjectAccessReview', object);
  };
}

/** Answers a review that names its subject; the checks of its metadata are the caller's. */
export async function reviewSubject(
  authorizer: Authorizer,
  kind: string,
  object: JsonKubeObject,
): Promise<JsonKubeObject> {
  const spec = object['spec'] as JsonObject as SubjectAccessReviewSpec; // decoded by its schema
  checkAttributes(kind, spec);
  checkSubject(kind, spec);
  const status = await reviewAccess(authorizer, subjectOf(spec), spec);
  return { ...object, status: { ...status } };
}

function subjectOf({ user = '', uid = '', groups = [], extra = {} }: SubjectAccessReviewSpec): UserInfo {
  const lowered = Object.entries(extra).map(([key, values]) => [key.toLowerCase(), values]);
  return { username: user, uid, groups, extra: Object.fromEntries(lowered) };
}
