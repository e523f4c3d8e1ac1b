import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PolicyRule, Subject } from '../../api/kubernetes/rbac-v1.ts';
import type { Attributes } from '../authorizer.ts';
import { MemoryObjects } from '../memory-objects.ts';
import type { UserInfo } from '../user.ts';
import { createAuthorizer, parseAuthorizationModes } from './create-authorizer.ts';
import { rbacResources } from './rbac-index.ts';

const group = 'rbac.authorization.k8s.io';
const ann: UserInfo = { username: 'ann', uid: '', groups: ['devs', 'system:authenticated'], extra: {} };
const annAsUser: Subject = { apiGroup: group, kind: 'User', name: 'ann' };

function clusterRole(name: string, rules: PolicyRule[]) {
  return { kind: 'ClusterRole', metadata: { name }, rules };
}

function bindCluster(name: string, role: string, subject: Subject = annAsUser) {
  return {
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { kind: 'ClusterRole', name: role },
    subjects: [subject],
  };
}

function bind(namespace: string, name: string, { kind, role }: { kind: 'Role' | 'ClusterRole'; role: string }) {
  return {
    kind: 'RoleBinding',
    metadata: { name, namespace },
    roleRef: { kind, name: role },
    subjects: [annAsUser],
  };
}

/** `verb group/resource[/subresource] namespace name`; `-` for nothing. */
function ask(text: string, user: UserInfo = ann): Attributes {
  const [verb = '', target = '', namespace = '-', name = '-'] = text.split(' ');
  if (target.startsWith('/')) return { kind: 'nonResource', user, verb, path: target };
  const [apiGroup = '', resource = '', subresource = ''] = target.split('/');
  const orEmpty = (part: string) => (part === '-' ? '' : part);
  return {
    kind: 'resource',
    user,
    verb,
    group: orEmpty(apiGroup),
    version: 'v1',
    resource,
    subresource,
    namespace: orEmpty(namespace),
    name: orEmpty(name),
  };
}

const rule = (verbs: string[], apiGroups: string[], resources: string[], resourceNames: string[] = []): PolicyRule => ({
  verbs,
  apiGroups,
  resources,
  resourceNames,
});

const matrix: Array<{ rule: PolicyRule; allowed: string[]; refused: string[] }> = [
  {
    rule: rule(['get', 'list'], [''], ['pods']),
    allowed: ['get -/pods ns web-0', 'list -/pods ns', 'list -/pods'],
    refused: ['create -/pods ns', 'get -/pods/log ns web-0', 'get -/pods/exec ns web-0', 'get apps/pods ns web-0'],
  },
  {
    rule: rule(['get'], [''], ['pods/log']),
    allowed: ['get -/pods/log ns web-0'],
    refused: ['get -/pods ns web-0', 'get -/pods/exec ns web-0'],
  },
  { rule: rule(['*'], [''], ['pods/*']), allowed: [], refused: ['get -/pods ns a', 'get -/pods/log ns a'] },
  {
    rule: rule(['*'], ['*'], ['*']),
    allowed: ['delete apps/deployments ns a', 'create -/pods/exec ns a', 'bind x/y - -'],
    refused: ['get /healthz'],
  },
  {
    rule: rule(['update'], ['*'], ['*/scale']),
    allowed: ['update apps/deployments/scale ns a', 'update -/replicationcontrollers/scale ns a'],
    refused: ['update apps/deployments ns a', 'update apps/deployments/status ns a'],
  },
  {
    rule: rule(['get', 'update', 'create', 'list', 'deletecollection'], [''], ['configmaps'], ['one']),
    allowed: ['get -/configmaps ns one', 'update -/configmaps ns one', 'list -/configmaps ns one'],
    refused: [
      'get -/configmaps ns two',
      'create -/configmaps ns',
      'list -/configmaps ns',
      'deletecollection -/configmaps ns',
    ],
  },
  {
    rule: { verbs: ['get'], nonResourceURLs: ['/metrics', '/healthz/*'] },
    allowed: ['get /metrics', 'get /healthz/ping'],
    refused: ['get /metrics/slis', 'post /metrics', 'get /healthz', 'get -/metrics'],
  },
  { rule: { verbs: ['*'], nonResourceURLs: ['*'] }, allowed: ['get /', 'post /x/y'], refused: ['get -/pods'] },
];

for (const { rule: one, allowed, refused } of matrix) {
  test(`a rule ${JSON.stringify(one)} allows what it names and nothing else`, () => {
    const objects = new MemoryObjects();
    objects.set(rbacResources.clusterRoles, clusterRole('r', [one]));
    objects.set(rbacResources.clusterRoleBindings, bindCluster('b', 'r'));
    using authorizer = createAuthorizer({ modes: ['RBAC'], objects });
    for (const text of allowed) assert.equal(authorizer.authorize(ask(text)).verdict, 'allow', text);
    for (const text of refused) assert.equal(authorizer.authorize(ask(text)).verdict, 'noOpinion', text);
  });
}

test('a RoleBinding gives rights in its own namespace only, and never on paths', () => {
  const objects = new MemoryObjects();
  const rules = [rule(['get'], [''], ['pods', 'nodes']), { verbs: ['get'], nonResourceURLs: ['/metrics'] }];
  objects.set(rbacResources.clusterRoles, clusterRole('reader', rules));
  objects.set(rbacResources.roleBindings, bind('blue', 'b', { kind: 'ClusterRole', role: 'reader' }));
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects });
  assert.deepEqual(authorizer.authorize(ask('get -/pods blue x')), {
    verdict: 'allow',
    reason: 'RBAC: allowed by RoleBinding "b/blue" of ClusterRole "reader" to User "ann"',
  });
  for (const text of ['get -/pods green x', 'get -/pods - x', 'get -/nodes - n1', 'get /metrics']) {
    assert.equal(authorizer.authorize(ask(text)).verdict, 'noOpinion', text);
  }
  assert.deepEqual(authorizer.rulesFor(ann, 'blue').rules, [rules[0]]);
});

test('a Role is looked up in the namespace of its binding', () => {
  const objects = new MemoryObjects();
  const role = { kind: 'Role', metadata: { name: 'r', namespace: 'blue' }, rules: [rule(['get'], [''], ['pods'])] };
  objects.set(rbacResources.roles, role);
  objects.set(rbacResources.roleBindings, bind('blue', 'b', { kind: 'Role', role: 'r' }));
  objects.set(rbacResources.roleBindings, bind('green', 'b', { kind: 'Role', role: 'r' }));
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects });
  assert.equal(authorizer.authorize(ask('get -/pods blue x')).verdict, 'allow');
  assert.deepEqual(authorizer.authorize(ask('get -/pods green x')), {
    verdict: 'noOpinion',
    reason: 'RBAC: role.rbac.authorization.k8s.io "r" not found',
  });
});

test('subjects match by name, by group, and service accounts by user name alone', () => {
  const objects = new MemoryObjects();
  objects.set(rbacResources.clusterRoles, clusterRole('r', [rule(['get'], [''], ['pods'])]));
  objects.set(
    rbacResources.clusterRoleBindings,
    bindCluster('by-group', 'r', { kind: 'Group', name: 'devs', apiGroup: group }),
  );
  objects.set(
    rbacResources.clusterRoleBindings,
    bindCluster('by-account', 'r', { kind: 'ServiceAccount', name: 'bot', namespace: 'ci' }),
  );
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects });
  const reasonFor = (username: string, groups: string[]) =>
    authorizer.authorize(ask('get -/pods ns x', { username, uid: '', groups, extra: {} })).reason;
  assert.equal(
    reasonFor('anyone', ['devs']),
    'RBAC: allowed by ClusterRoleBinding "by-group" of ClusterRole "r" to Group "devs"',
  );
  assert.equal(
    reasonFor('system:serviceaccount:ci:bot', []),
    'RBAC: allowed by ClusterRoleBinding "by-account" of ClusterRole "r" to ServiceAccount "bot/ci"',
  );
  for (const username of ['devs', 'bot', 'system:serviceaccount:other:bot', 'system:serviceaccount:ci:bot2']) {
    assert.equal(reasonFor(username, []), '', username);
  }
});

test('a missing role is remembered while the search goes on', () => {
  const objects = new MemoryObjects();
  objects.set(rbacResources.clusterRoleBindings, bindCluster('a', 'gone'));
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects });
  assert.deepEqual(authorizer.authorize(ask('get -/pods ns x')), {
    verdict: 'noOpinion',
    reason: 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
  });
  objects.set(rbacResources.clusterRoles, clusterRole('r', [rule(['get'], [''], ['pods'])]));
  objects.set(rbacResources.clusterRoleBindings, bindCluster('b', 'r'));
  assert.equal(authorizer.authorize(ask('get -/pods ns x')).verdict, 'allow');
});

test('decisions follow every change of roles and bindings at once', () => {
  const objects = new MemoryObjects();
  using authorizer = createAuthorizer({ modes: ['RBAC'], objects });
  const verdict = () => authorizer.authorize(ask('get -/pods ns x')).verdict;
  assert.equal(verdict(), 'noOpinion');
  objects.set(rbacResources.clusterRoleBindings, bindCluster('b', 'r'));
  objects.set(rbacResources.clusterRoles, clusterRole('r', [rule(['get'], [''], ['pods'])]));
  assert.equal(verdict(), 'allow');
  objects.set(rbacResources.clusterRoles, clusterRole('r', [rule(['get'], [''], ['secrets'])]));
  assert.equal(verdict(), 'noOpinion');
  objects.set(rbacResources.clusterRoles, clusterRole('r', [rule(['get'], [''], ['pods'])]));
  objects.set(rbacResources.clusterRoleBindings, bindCluster('b', 'r', { kind: 'User', name: 'bob' }));
  assert.equal(verdict(), 'noOpinion');
  objects.set(rbacResources.clusterRoleBindings, bindCluster('b', 'r'));
  assert.equal(verdict(), 'allow');
  objects.delete(rbacResources.clusterRoleBindings, { namespace: '', name: 'b' });
  assert.equal(verdict(), 'noOpinion');
});

test('system:masters may do everything in every mode, the rest nothing under AlwaysDeny', () => {
  const masters = { ...ann, groups: ['system:masters'] };
  using denying = createAuthorizer({ modes: ['AlwaysDeny'], objects: new MemoryObjects() });
  assert.equal(denying.authorize(ask('delete -/nodes - n1', masters)).verdict, 'allow');
  assert.equal(denying.authorize(ask('delete -/nodes - n1')).verdict, 'noOpinion');
  using allowing = createAuthorizer({ modes: ['AlwaysAllow'], objects: new MemoryObjects() });
  assert.equal(allowing.authorize(ask('delete -/nodes - n1')).verdict, 'allow');
});

test('--authorization-mode is read in order and refuses what it does not know', () => {
  assert.deepEqual(parseAuthorizationModes('Node,RBAC'), ['Node', 'RBAC']);
  assert.throws(() => parseAuthorizationModes('Node,Magic'), {
    name: 'ConfigError',
    message: '--authorization-mode: "Magic" is not one of Node, RBAC, AlwaysAllow, AlwaysDeny',
  });
  assert.throws(() => parseAuthorizationModes('RBAC,RBAC'), /"RBAC" is given twice/);
});
