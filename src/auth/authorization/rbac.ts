import type { PolicyRule } from '../../api/kubernetes/rbac-v1.ts';
import type { Attributes, Authorizer, Decision } from '../authorizer.ts';
import type { UserInfo } from '../user.ts';
import type { Grant, RbacIndex } from './rbac-index.ts';
import type { ResolvedRules } from './rule-resolver.ts';

/** Role-based access control: additive, no denial. Source: kubernetes `plugin/pkg/auth/authorizer/rbac`. */
export class RbacAuthorizer implements Authorizer {
  readonly name = 'RBAC';
  readonly #index: RbacIndex;

  constructor(index: RbacIndex) {
    this.#index = index;
  }

  authorize(attributes: Attributes): Decision {
    const namespace = attributes.kind === 'resource' ? attributes.namespace : '';
    const missing: string[] = [];
    let allowing: Grant | undefined;
    this.#index.someGrant(attributes.user, namespace, (grant) => {
      const role = this.#index.role(grant);
      if (role === undefined) missing.push(missingRole(grant));
      else if (role.allows(attributes)) allowing = grant;
      return allowing !== undefined;
    });
    if (allowing) return { verdict: 'allow', reason: `RBAC: allowed by ${describe(allowing)}` };
    return { verdict: 'noOpinion', reason: missing.length === 0 ? '' : `RBAC: ${aggregate(missing)}` };
  }

  rulesFor(user: UserInfo, namespace: string): ResolvedRules {
    const rules: PolicyRule[] = [];
    const errors: string[] = [];
    this.#index.someGrant(user, namespace, (grant) => {
      const role = this.#index.role(grant);
      if (role) rules.push(...(grant.namespace === '' ? role.rules : role.rules.filter(isResourceRule)));
      else errors.push(missingRole(grant));
      return false;
    });
    return { rules, incomplete: false, errors };
  }
}

/** Paths outside of namespaces are never granted by a RoleBinding. */
function isResourceRule({ nonResourceURLs = [] }: PolicyRule): boolean {
  return nonResourceURLs.length === 0;
}

function describe({ bindingKind, bindingName, namespace, roleKind, roleName, subject }: Grant): string {
  const binding = namespace === '' ? bindingName : `${bindingName}/${namespace}`;
  return `${bindingKind} ${JSON.stringify(binding)} of ${roleKind} ${JSON.stringify(roleName)} to ${subject}`;
}

function missingRole({ roleKind, roleName }: Grant): string {
  return `${roleKind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(roleName)} not found`;
}

function aggregate(messages: readonly string[]): string {
  const unique = [...new Set(messages)];
  return unique.length === 1 ? (unique[0] ?? '') : `[${unique.join(', ')}]`;
}
