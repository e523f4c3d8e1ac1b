import { invalid, invalidObject, required } from '../../api/field-error.ts';
import type {
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReviewStatus,
} from '../../api/kubernetes/authorization-v1.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import type { Attributes, Authorizer } from '../../auth/authorizer.ts';
import type { UserInfo } from '../../auth/user.ts';
import { formatFieldSelector, formatLabelSelector } from './review-selectors.ts';

const group = 'authorization.k8s.io';
const version = 'v1';

/** What all access reviews ask about: exactly one of the two. */
export interface ReviewedAttributes {
  resourceAttributes?: ResourceAttributes;
  nonResourceAttributes?: NonResourceAttributes;
}

/** @throws {ApiError} 422 unless exactly one kind of attributes is given */
export function checkAttributes(kind: string, { resourceAttributes, nonResourceAttributes }: ReviewedAttributes): void {
  if (resourceAttributes && nonResourceAttributes) {
    const complaint = 'cannot be specified in combination with resourceAttributes';
    throw invalidObject({ group, version, kind }, '', [
      invalid('spec.nonResourceAttributes', nonResourceAttributes, complaint),
    ]);
  }
  if (!resourceAttributes && !nonResourceAttributes) {
    const complaint = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    throw invalidObject({ group, version, kind }, '', [invalid('spec.resourceAttributes', null, complaint)]);
  }
}

/** @throws {ApiError} 422 unless a user or a group is given */
export function checkSubject(kind: string, { user, groups }: { user?: string; groups?: string[] }): void {
  if (user || groups?.length) return;
  throw invalidObject({ group, version, kind }, '', [
    required('spec.user', 'at least one of user or group must be specified'),
  ]);
}

/** Reviews are not stored: an object that pretends to be is refused. @throws {ApiError} 422 */
export function checkUnstored(kind: string, object: JsonKubeObject, rule = 'must be empty'): void {
  const { namespace: _namespace, managedFields: _fields, ...rest } = object.metadata;
  if (Object.values(rest).every((value) => value === null || value === '')) return;
  throw invalidObject({ group, version, kind }, '', [invalid('metadata', object.metadata, rule)]);
}

/** Asks the authorizer what the review asks. */
export async function reviewAccess(
  authorizer: Authorizer,
  user: UserInfo,
  reviewed: ReviewedAttributes,
): Promise<SubjectAccessReviewStatus> {
  const decision = await authorizer.authorize(attributesOf(user, reviewed));
  const error = decision.verdict === 'noOpinion' ? decision.error : undefined;
  return {
    allowed: decision.verdict === 'allow',
    ...(decision.verdict === 'deny' && { denied: true }),
    ...(decision.reason !== '' && { reason: decision.reason }),
    ...(error && { evaluationError: error.message }),
  };
}

function attributesOf(user: UserInfo, { resourceAttributes, nonResourceAttributes }: ReviewedAttributes): Attributes {
  if (resourceAttributes === undefined) {
    const { verb = '', path = '' } = nonResourceAttributes ?? {};
    return { kind: 'nonResource', user, verb, path };
  }
  const { verb = '', resource = '', subresource = '', namespace = '', name = '' } = resourceAttributes;
  const { fieldSelector, labelSelector } = resourceAttributes;
  return {
    kind: 'resource',
    user,
    verb,
    group: resourceAttributes.group ?? '',
    version: resourceAttributes.version || '*',
    resource,
    subresource,
    namespace,
    name,
    ...(fieldSelector && { fieldSelector: formatFieldSelector(fieldSelector) }),
    ...(labelSelector && { labelSelector: formatLabelSelector(labelSelector) }),
  };
}
