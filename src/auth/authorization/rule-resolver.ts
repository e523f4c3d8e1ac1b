import type { PolicyRule } from '../../api/kubernetes/rbac-v1.ts';
import type { UserInfo } from '../user.ts';

export interface ResolvedRules {
  readonly rules: readonly PolicyRule[];
  /** True where some authorizer cannot say what it would allow. */
  readonly incomplete: boolean;
  readonly errors: readonly string[];
}

/** Says what a user may do without naming a request: for rules reviews and escalation checks. */
export interface RuleResolver {
  /** Rules from ClusterRoleBindings, and with a namespace also those of its RoleBindings. */
  rulesFor(user: UserInfo, namespace: string): ResolvedRules;
  /** The rules of a role that a binding names; `undefined` where there is none. `namespace` is the binding's. */
  roleRules(role: { kind: string; name: string; namespace: string }): readonly PolicyRule[] | undefined;
}
