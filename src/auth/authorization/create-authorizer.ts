import type { PolicyRule } from '../../api/kubernetes/rbac-v1.ts';
import { ConfigError } from '../../lib/config-error.ts';
import type { Attributes, Authorizer, Decision } from '../authorizer.ts';
import type { ObjectSource } from '../object-source.ts';
import type { UserInfo } from '../user.ts';
import { NodeAuthorizer } from './node.ts';
import { nodeIdentity } from './node-identity.ts';
import { PodReferenceIndex } from './pod-reference-index.ts';
import { RbacAuthorizer } from './rbac.ts';
import { RbacIndex } from './rbac-index.ts';
import type { ResolvedRules, RuleResolver } from './rule-resolver.ts';

export const authorizationModes = ['Node', 'RBAC', 'AlwaysAllow', 'AlwaysDeny'] as const;
export type AuthorizationMode = (typeof authorizationModes)[number];

export interface AuthorizerOptions {
  /** In the order they are asked, each at most once. */
  modes: readonly AuthorizationMode[];
  objects: ObjectSource;
}

/** An authorizer that can also list what a user may do. Disposal ends its subscriptions. */
export interface ClusterAuthorizer extends Authorizer, RuleResolver, Disposable {
  authorize(attributes: Attributes): Decision;
}

/** Reads `--authorization-mode`. @throws {ConfigError} for an unknown, doubled or missing mode */
export function parseAuthorizationModes(text: string): AuthorizationMode[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name, index) => {
    const mode = authorizationModes.find((known) => known === name);
    if (mode === undefined) {
      throw new ConfigError(`--authorization-mode: "${name}" is not one of ${authorizationModes.join(', ')}`);
    }
    if (names.indexOf(name) !== index) throw new ConfigError(`--authorization-mode: "${name}" is given twice`);
    return mode;
  });
}

/**
 * Asks `system:masters` first, then each mode in order; the first that allows or denies decides.
 * Follows `objects` from now on.
 */
export function createAuthorizer({ modes, objects }: AuthorizerOptions): ClusterAuthorizer {
  if (modes.length === 0) throw new ConfigError('--authorization-mode: at least one mode is needed');
  using disposables = new DisposableStack();
  // The index is there in every mode: escalation checks read roles from it.
  const rbacIndex = disposables.use(new RbacIndex(objects));
  const rbac = new RbacAuthorizer(rbacIndex);
  const references = modes.includes('Node') ? disposables.use(new PodReferenceIndex(objects)) : undefined;
  const chain: Array<{ authorize(attributes: Attributes): Decision }> = [privilegedGroup];
  for (const mode of modes) {
    if (mode === 'RBAC') chain.push(rbac);
    else if (mode === 'Node' && references) chain.push(new NodeAuthorizer({ objects, references }));
    else chain.push(mode === 'AlwaysAllow' ? alwaysAllow : alwaysDeny);
  }
  const owned = disposables.move();
  return {
    name: modes.join(','),
    authorize: (attributes) => authorizeWith(chain, attributes),
    rulesFor: (user, namespace) => rulesWith({ modes, rbac }, { user, namespace }),
    roleRules: ({ kind, name, namespace }) => rbacIndex.role({ roleKind: kind, roleName: name, namespace })?.rules,
    [Symbol.dispose]: () => owned.dispose(),
  };
}

const privilegedGroup = {
  authorize: ({ user }: Attributes): Decision =>
    user.groups.includes('system:masters') ? { verdict: 'allow', reason: '' } : { verdict: 'noOpinion', reason: '' },
};

const alwaysAllow = { authorize: (): Decision => ({ verdict: 'allow', reason: '' }) };

const alwaysDeny = {
  authorize: (): Decision => ({ verdict: 'noOpinion', reason: 'Everything is forbidden.' }),
};

function authorizeWith(
  chain: ReadonlyArray<{ authorize(attributes: Attributes): Decision }>,
  attributes: Attributes,
): Decision {
  const reasons: string[] = [];
  let error: Error | undefined;
  for (const authorizer of chain) {
    const decision = authorizer.authorize(attributes);
    if (decision.verdict !== 'noOpinion') return decision;
    if (decision.reason !== '') reasons.push(decision.reason);
    error ??= decision.error;
  }
  return { verdict: 'noOpinion', reason: reasons.join('\n'), ...(error && { error }) };
}

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function rulesWith(
  { modes, rbac }: { modes: readonly AuthorizationMode[]; rbac: RbacAuthorizer },
  { user, namespace }: { user: UserInfo; namespace: string },
): ResolvedRules {
  const rules: PolicyRule[] = [];
  const errors: string[] = [];
  let incomplete = false;
  for (const mode of modes) {
    if (mode === 'AlwaysAllow') rules.push(...everything);
    if (mode === 'RBAC') {
      const resolved = rbac.rulesFor(user, namespace);
      rules.push(...resolved.rules);
      errors.push(...resolved.errors);
    }
    if (mode === 'Node' && nodeIdentity(user) !== undefined) {
      incomplete = true;
      errors.push('node authorizer does not support user rule resolution');
    }
  }
  return { rules, incomplete, errors };
}
