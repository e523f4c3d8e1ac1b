import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyRule } from '../../api/kubernetes/rbac-v1.ts';
import { MemoryObjects } from '../memory-objects.ts';
import type { UserInfo } from '../user.ts';
import { createAuthorizer } from './create-authorizer.ts';
import { checkBinding, checkRoleEscalation } from './escalation.ts';
import { rbacResources } from './rbac-index.ts';
import { coversRule, formatRule, missingRules } from './rule-cover.ts';

const bob: UserInfo = { username: 'bob', uid: '', groups: ['a', 'b'], extra: {} };
const group = 'rbac.authorization.k8s.io';

/** `bob` may do `rules` everywhere. */
function bobMay(rules: PolicyRule[]): MemoryObjects {
  const objects = new MemoryObjects();
  objects.set(rbacResources.clusterRoles, { metadata: { name: 'bobs' }, rules } as object);
  objects.set(rbacResources.clusterRoles, {
    metadata: { name: 'powerful' },
    rules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  } as object);
  objects.set(rbacResources.clusterRoleBindings, {
    metadata: { name: 'bobs' },
    roleRef: { kind: 'ClusterRole', name: 'bobs' },
    subjects: [{ kind: 'User', name: 'bob' }],
  } as object);
  return objects;
}

const readPods: PolicyRule = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] };
const roleTarget = { resource: { group, resource: 'roles' }, namespace: 'ns', name: 'r' };

test('a role may hold what its writer holds', async () => {
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects: bobMay([readPods]) });
  await checkRoleEscalation({ authorizer, user: bob, ...roleTarget }, { rules: [readPods] });
  await checkRoleEscalation(
    { authorizer, user: bob, ...roleTarget },
    { rules: [{ ...readPods, verbs: ['get'], resourceNames: ['one'] }] },
  );
});

test('a role with more than its writer holds is refused, with what is missing', async () => {
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects: bobMay([readPods]) });
  const rules: PolicyRule[] = [
    { verbs: ['get', 'delete', 'create'], apiGroups: [''], resources: ['pods'] },
    { verbs: ['get'], nonResourceURLs: ['/metrics'] },
  ];
  await assert.rejects(checkRoleEscalation({ authorizer, user: bob, ...roleTarget }, { rules }), {
    name: 'ApiError',
    reason: 'Forbidden',
    message:
      'roles.rbac.authorization.k8s.io "r" is forbidden: user "bob" (groups=["a" "b"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "create"]}\n{NonResourceURLs:["/metrics"], Verbs:["get"]}',
  });
});

test('escalate, and system:masters, may write any role', async () => {
  const escalate = { verbs: ['escalate'], apiGroups: [group], resources: ['roles'] };
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects: bobMay([escalate]) });
  await checkRoleEscalation({ authorizer, user: bob, ...roleTarget }, { rules: [readPods] });
  const master = { ...bob, username: 'm', groups: ['system:masters'] };
  await checkRoleEscalation({ authorizer, user: master, ...roleTarget }, { rules: [readPods] });
});

test('an aggregation rule needs every right there is', async () => {
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects: bobMay([readPods]) });
  const target = { resource: { group, resource: 'clusterroles' }, namespace: '', name: 'r' };
  await assert.rejects(checkRoleEscalation({ authorizer, user: bob, ...target }, { aggregates: {} }), {
    reason: 'Forbidden',
    message:
      'clusterroles.rbac.authorization.k8s.io "r" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  });
});

test('a binding needs every right of its role, or the verb bind on that role', async () => {
  const target = { resource: { group, resource: 'rolebindings' }, namespace: 'ns', name: 'b' };
  const powerful = { apiGroup: group, kind: 'ClusterRole', name: 'powerful' };
  using poor = createAuthorizer({ modes: ['RBAC'], objects: bobMay([readPods]) });
  await assert.rejects(checkBinding({ authorizer: poor, user: bob, ...target }, powerful), {
    reason: 'Forbidden',
    message:
      'rolebindings.rbac.authorization.k8s.io "b" is forbidden: user "bob" (groups=["a" "b"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}',
  });
  await checkBinding({ authorizer: poor, user: bob, ...target }, { ...powerful, name: 'bobs' });
  await assert.rejects(checkBinding({ authorizer: poor, user: bob, ...target }, { ...powerful, name: 'gone' }), {
    reason: 'NotFound',
    message: 'clusterroles.rbac.authorization.k8s.io "gone" not found',
  });
  const bindOne = { verbs: ['bind'], apiGroups: [group], resources: ['clusterroles'], resourceNames: ['powerful'] };
  using binder = createAuthorizer({ modes: ['RBAC'], objects: bobMay([bindOne]) });
  await checkBinding({ authorizer: binder, user: bob, ...target }, powerful);
});

test('rights cover each other as requests would', () => {
  const rule = (verbs: string[], resources: string[], resourceNames?: string[]): PolicyRule => ({
    verbs,
    apiGroups: [''],
    resources,
    ...(resourceNames && { resourceNames }),
  });
  assert.equal(coversRule([rule(['get'], ['*'])], rule(['get'], ['pods/log'])), true);
  assert.equal(coversRule([rule(['get'], ['*/scale'])], rule(['get'], ['deployments/scale'])), true);
  assert.equal(coversRule([rule(['get'], ['pods'])], rule(['get'], ['pods/log'])), false);
  assert.equal(coversRule([rule(['get'], ['pods'])], rule(['*'], ['pods'])), false);
  assert.equal(coversRule([rule(['get'], ['pods'], ['a'])], rule(['get'], ['pods'])), false);
  assert.equal(
    coversRule([rule(['get'], ['pods'], ['a']), rule(['get'], ['pods'], ['b'])], rule(['get'], ['pods'], ['a', 'b'])),
    true,
  );
  assert.equal(
    coversRule([{ verbs: ['get'], nonResourceURLs: ['/a*'] }], { verbs: ['get'], nonResourceURLs: ['/a/b', '/a'] }),
    true,
  );
  assert.equal(
    coversRule([{ verbs: ['get'], nonResourceURLs: ['/a/b'] }], { verbs: ['get'], nonResourceURLs: ['/a/*'] }),
    false,
  );
  assert.equal(missingRules([rule(['*'], ['*'])], [rule(['get'], ['pods'])]).length, 0);
  assert.equal(
    formatRule(rule(['get'], ['pods'], ['x'])),
    '{APIGroups:[""], Resources:["pods"], ResourceNames:["x"], Verbs:["get"]}',
  );
});
