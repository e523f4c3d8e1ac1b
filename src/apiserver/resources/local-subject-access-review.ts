import { badRequest } from '../../api/errors.ts';
import { invalid, invalidObject } from '../../api/field-error.ts';
import type { SubjectAccessReviewSpec } from '../../api/kubernetes/authorization-v1.ts';
import type { JsonObject } from '../../api/object.ts';
import type { Authorizer } from '../../auth/authorizer.ts';
import type { ReviewHandler } from '../review.ts';
import { checkUnstored } from './access-review.ts';
import { reviewSubject } from './subject-access-review.ts';

const kind = 'LocalSubjectAccessReview';

/** `localsubjectaccessreviews`: the same within one namespace, so that its administrators can ask. */
export function localSubjectAccessReview(authorizer: Authorizer): ReviewHandler {
  return async (object, { info: { namespace } }) => {
    checkUnstored(kind, object, 'must be empty except for namespace');
    const spec = object['spec'] as JsonObject as SubjectAccessReviewSpec; // decoded by its schema
    if (spec.nonResourceAttributes) {
      throw invalidObject({ group: 'authorization.k8s.io', version: 'v1', kind }, '', [
        invalid('spec.nonResourceAttributes', spec.nonResourceAttributes, 'disallowed on this kind of request'),
      ]);
    }
    const asked = spec.resourceAttributes?.namespace ?? '';
    if (asked !== namespace) throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${namespace}`);
    return reviewSubject(authorizer, kind, object);
  };
}
