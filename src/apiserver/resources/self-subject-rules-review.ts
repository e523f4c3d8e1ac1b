import { badRequest } from '../../api/errors.ts';
import type {
  NonResourceRule,
  ResourceRule,
  SelfSubjectRulesReviewSpec,
} from '../../api/kubernetes/authorization-v1.ts';
import type { PolicyRule } from '../../api/kubernetes/rbac-v1.ts';
import type { JsonObject, JsonValue } from '../../api/object.ts';
import type { RuleResolver } from '../../auth/authorization/rule-resolver.ts';
import type { ReviewHandler } from '../review.ts';

/** `selfsubjectrulesreviews`: what may I do in this namespace? What `kubectl auth can-i --list` shows. */
export function selfSubjectRulesReview(resolver: RuleResolver): ReviewHandler {
  return async (object, { user }) => {
    const { namespace } = object['spec'] as JsonObject as SelfSubjectRulesReviewSpec; // decoded by its schema
    if (!namespace) throw badRequest('no namespace on request');
    const { rules, incomplete, errors } = resolver.rulesFor(user, namespace);
    const status = {
      resourceRules: rules.filter(({ resources = [] }) => resources.length > 0).map(resourceRule),
      nonResourceRules: rules.filter(({ nonResourceURLs = [] }) => nonResourceURLs.length > 0).map(nonResourceRule),
      incomplete,
      ...(errors.length > 0 && { evaluationError: errors.join(', ') }),
    };
    return { ...object, status: status as object as Record<string, JsonValue> }; // plain data
  };
}

function resourceRule({ verbs, apiGroups, resources, resourceNames }: PolicyRule): ResourceRule {
  return {
    verbs,
    ...(apiGroups && { apiGroups }),
    ...(resources && { resources }),
    ...(resourceNames?.length && { resourceNames }),
  };
}

function nonResourceRule({ verbs, nonResourceURLs = [] }: PolicyRule): NonResourceRule {
  return { verbs, nonResourceURLs };
}
