import { forbidden, type GroupResource, notFound } from '../../api/errors.ts';
import type { AggregationRule, PolicyRule, RoleRef } from '../../api/kubernetes/rbac-v1.ts';
import type { Authorizer } from '../authorizer.ts';
import type { UserInfo } from '../user.ts';
import { formatList, formatRule, missingRules } from './rule-cover.ts';
import type { RuleResolver } from './rule-resolver.ts';

const group = 'rbac.authorization.k8s.io';

/** Who writes which RBAC object. */
export interface EscalationContext {
  readonly authorizer: Authorizer & RuleResolver;
  readonly user: UserInfo;
  readonly resource: GroupResource;
  /** `''` at cluster scope. */
  readonly namespace: string;
  /** `''` where it will be generated. */
  readonly name: string;
}

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/**
 * Whoever writes a role must hold every right in it, or the verb `escalate` on the role. An aggregation rule can gather anything, so it needs everything.
 * Source: kubernetes `pkg/registry/rbac/clusterrole/policybased/storage.go`.
 * @throws {ApiError} Forbidden, with the rights that are missing
 */
export async function checkRoleEscalation(
  context: EscalationContext,
  role: { rules?: PolicyRule[]; aggregates?: AggregationRule | undefined },
): Promise<void> {
  const { resource, namespace, name } = context;
  if (
    isPrivileged(context.user) ||
    (await may(context, 'escalate', { resource: resource.resource, namespace, name }))
  ) {
    return;
  }
  requireHeld(context, role.rules ?? []);
  if (role.aggregates === undefined) return;
  const { rules } = context.authorizer.rulesFor(context.user, namespace);
  if (missingRules(rules, everything).length === 0) return;
  throw forbidden(resource, name, 'must have cluster-admin privileges to use the aggregationRule');
}

/**
 * Whoever binds a role must hold every right in it, or the verb `bind` on that role, in the binding's namespace.
 * @throws {ApiError} Forbidden, or NotFound where the role does not exist
 */
export async function checkBinding(context: EscalationContext, roleRef: RoleRef): Promise<void> {
  const { namespace, user, authorizer } = context;
  const resource = roleRef.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (isPrivileged(user) || (await may(context, 'bind', { resource, namespace, name: roleRef.name }))) return;
  const rules = authorizer.roleRules({ kind: roleRef.kind, name: roleRef.name, namespace });
  if (rules === undefined) throw notFound({ group, resource }, roleRef.name);
  requireHeld(context, rules);
}

function isPrivileged({ groups }: UserInfo): boolean {
  return groups.includes('system:masters');
}

async function may(
  { authorizer, user }: EscalationContext,
  verb: 'escalate' | 'bind',
  target: { resource: string; namespace: string; name: string },
): Promise<boolean> {
  const decision = await authorizer.authorize({
    kind: 'resource',
    user,
    verb,
    group,
    version: '*',
    subresource: '',
    ...target,
  });
  return decision.verdict === 'allow';
}

function requireHeld(
  { authorizer, user, namespace, resource, name }: EscalationContext,
  rules: readonly PolicyRule[],
): void {
  const held = authorizer.rulesFor(user, namespace);
  const missing = missingRules(held.rules, rules);
  if (missing.length === 0) return;
  const lines = [...new Set(missing.map(formatRule))].sort();
  const subject = `user ${JSON.stringify(user.username)} (groups=${formatList(user.groups)})`;
  const unresolved = held.errors.length === 0 ? '' : `; resolution errors: [${held.errors.join(', ')}]`;
  const why = `${subject} is attempting to grant RBAC permissions not currently held:\n${lines.join('\n')}${unresolved}`;
  throw forbidden(resource, name, why);
}
