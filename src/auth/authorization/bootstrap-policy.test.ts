import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '../../api/kubernetes/rbac-v1.ts';
import type { Attributes } from '../authorizer.ts';
import { MemoryObjects } from '../memory-objects.ts';
import { bootstrapPolicy, ensureBootstrapPolicy, type PolicyWriter, type RbacObject } from './bootstrap-policy.ts';
import { type ClusterAuthorizer, createAuthorizer } from './create-authorizer.ts';
import { RuleSet } from './rule-set.ts';

/** A writer on a map, which counts what it is asked to write. */
class MemoryWriter implements PolicyWriter {
  readonly stored = new Map<string, RbacObject>();
  readonly calls: string[] = [];

  async get(resource: string, key: { namespace: string; name: string }) {
    return this.stored.get(keyOf(resource, key));
  }
  async create(resource: string, object: RbacObject) {
    this.calls.push(`create ${object.metadata?.name}`);
    this.stored.set(keyOf(resource, object.metadata ?? {}), object);
  }
  async update(resource: string, object: RbacObject) {
    this.calls.push(`update ${object.metadata?.name}`);
    this.stored.set(keyOf(resource, object.metadata ?? {}), object);
  }
  async delete(resource: string, key: { namespace: string; name: string }) {
    this.calls.push(`delete ${key.name}`);
    this.stored.delete(keyOf(resource, key));
  }
}

function keyOf(resource: string, { namespace = '', name = '' }: { namespace?: string; name?: string }): string {
  return `${resource}|${namespace}|${name}`;
}

const roles = 'clusterroles.rbac.authorization.k8s.io';
const bindings = 'clusterrolebindings.rbac.authorization.k8s.io';

test('the first start creates every default object once, the second writes nothing', async () => {
  const writer = new MemoryWriter();
  assert.equal(await ensureBootstrapPolicy(writer), bootstrapPolicy.length);
  assert.equal(writer.stored.size, bootstrapPolicy.length);
  assert.equal(await ensureBootstrapPolicy(writer), 0);
  assert.equal(writer.calls.length, bootstrapPolicy.length);
});

test('lost rules, subjects and labels come back, added ones stay', async () => {
  const writer = new MemoryWriter();
  await ensureBootstrapPolicy(writer);
  writer.calls.length = 0;
  const extra: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['secrets'] };
  const roleKey = keyOf(roles, { name: 'system:node-proxier' });
  const expected = writer.stored.get(roleKey) as ClusterRole;
  writer.stored.set(roleKey, { ...expected, metadata: { name: 'system:node-proxier' }, rules: [extra] });
  const bindingKey = keyOf(bindings, { name: 'system:basic-user' });
  const added = { kind: 'User', name: 'ann', apiGroup: 'rbac.authorization.k8s.io' };
  writer.stored.set(bindingKey, { ...(writer.stored.get(bindingKey) as ClusterRoleBinding), subjects: [added] });
  assert.equal(await ensureBootstrapPolicy(writer), 2);
  assert.deepEqual(writer.calls.sort(), ['update system:basic-user', 'update system:node-proxier']);
  const role = writer.stored.get(roleKey) as ClusterRole;
  assert.deepEqual(role.rules, [extra, ...(expected.rules ?? [])]);
  assert.deepEqual(role.metadata?.labels, { 'kubernetes.io/bootstrapping': 'rbac-defaults' });
  const binding = writer.stored.get(bindingKey) as ClusterRoleBinding;
  assert.deepEqual(
    binding.subjects?.map(({ name }) => name),
    ['ann', 'system:authenticated'],
  );
});

test('a binding to the wrong role is replaced, and autoupdate "false" is respected', async () => {
  const writer = new MemoryWriter();
  await ensureBootstrapPolicy(writer);
  writer.calls.length = 0;
  const key = keyOf(bindings, { name: 'system:discovery' });
  const found = writer.stored.get(key) as ClusterRoleBinding;
  const wrong = { ...found, roleRef: { ...found.roleRef, name: 'cluster-admin' } };
  writer.stored.set(key, wrong);
  assert.equal(await ensureBootstrapPolicy(writer), 1);
  assert.deepEqual(writer.calls, ['delete system:discovery', 'create system:discovery']);
  const kept = {
    ...wrong,
    metadata: { ...wrong.metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
  };
  writer.stored.set(key, kept);
  assert.equal(await ensureBootstrapPolicy(writer), 0);
});

test('the rules of an aggregated role are left to its controller', async () => {
  const writer = new MemoryWriter();
  await ensureBootstrapPolicy(writer);
  const key = keyOf(roles, { name: 'admin' });
  const gathered = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }];
  writer.stored.set(key, { ...(writer.stored.get(key) as ClusterRole), rules: gathered });
  assert.equal(await ensureBootstrapPolicy(writer), 0);
});

function defaultAuthorizer(): ClusterAuthorizer {
  const objects = new MemoryObjects();
  for (const { resource, object } of bootstrapPolicy) objects.set(resource, object);
  return createAuthorizer({ modes: ['Node', 'RBAC'], objects });
}

function ask(username: string, groups: string[], text: string): Attributes {
  const user = { username, uid: '', groups, extra: {} };
  const [verb = '', target = '', namespace = '', name = ''] = text.split(' ');
  if (target.startsWith('/')) return { kind: 'nonResource', user, verb, path: target };
  const [group = '', resource = '', subresource = ''] = target.split('/');
  const bare = (part: string) => (part === '-' ? '' : part);
  return {
    kind: 'resource',
    user,
    verb,
    group: bare(group),
    version: 'v1',
    resource,
    subresource,
    namespace: bare(namespace),
    name: bare(name),
  };
}

const bootstrapper = [
  'system:bootstrappers',
  'system:bootstrappers:kubeadm:default-node-token',
  'system:authenticated',
];
const accounts = ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'];

const callers: Array<{ username: string; groups: string[]; may: string[]; mayNot: string[] }> = [
  {
    username: 'system:anonymous',
    groups: ['system:unauthenticated'],
    may: ['get /livez', 'get /version', 'get -/configmaps kube-public cluster-info'],
    mayNot: [
      'get /api',
      'get /metrics',
      'get -/configmaps kube-public other',
      'list -/configmaps kube-public',
      'get -/configmaps kube-system cluster-info',
      'create authorization.k8s.io/selfsubjectaccessreviews',
    ],
  },
  {
    username: 'ann',
    groups: ['system:authenticated'],
    may: [
      'get /apis/apps/v1',
      'create authorization.k8s.io/selfsubjectrulesreviews',
      'create authentication.k8s.io/selfsubjectreviews',
    ],
    mayNot: ['get -/configmaps kube-public cluster-info', 'list -/pods', 'create authentication.k8s.io/tokenreviews'],
  },
  {
    username: 'system:bootstrap:abcdef',
    groups: bootstrapper,
    may: [
      'create certificates.k8s.io/certificatesigningrequests',
      'create certificates.k8s.io/certificatesigningrequests/nodeclient',
      'get -/nodes - n1',
    ],
    mayNot: [
      'create certificates.k8s.io/certificatesigningrequests/selfnodeclient',
      'update certificates.k8s.io/certificatesigningrequests/approval - x',
      'get -/secrets kube-system bootstrap-token-abcdef',
      'list -/nodes',
    ],
  },
  {
    username: 'system:node:n1',
    groups: ['system:nodes', 'system:authenticated'],
    may: ['create certificates.k8s.io/certificatesigningrequests/selfnodeclient'],
    mayNot: [
      'create certificates.k8s.io/certificatesigningrequests/nodeclient',
      'approve certificates.k8s.io/signers - kubernetes.io/kubelet-serving',
    ],
  },
  {
    username: 'kube-apiserver-kubelet-client',
    groups: ['system:authenticated'],
    may: ['get -/nodes/proxy - n1', 'create -/nodes/proxy - n1', 'get -/nodes/metrics - n1', 'get -/nodes/pods - n1'],
    mayNot: ['list -/pods', 'get -/secrets ns x', 'update -/nodes - n1'],
  },
  {
    username: 'system:kube-controller-manager',
    groups: ['system:authenticated'],
    may: [
      'list apps/deployments',
      'watch -/secrets',
      'update coordination.k8s.io/leases kube-system kube-controller-manager',
    ],
    mayNot: [
      'update apps/deployments ns x',
      'delete -/pods ns x',
      'sign certificates.k8s.io/signers - kubernetes.io/kubelet-serving',
    ],
  },
  {
    username: 'system:kube-scheduler',
    groups: ['system:authenticated'],
    may: [
      'create -/pods/binding ns x',
      'patch -/pods/status ns x',
      'update coordination.k8s.io/leases kube-system kube-scheduler',
    ],
    mayNot: ['create -/pods ns', 'get -/secrets ns x', 'update coordination.k8s.io/leases kube-node-lease n1'],
  },
  {
    username: 'system:serviceaccount:kube-system:certificate-controller',
    groups: accounts,
    may: [
      'approve certificates.k8s.io/signers - kubernetes.io/kube-apiserver-client-kubelet',
      'approve certificates.k8s.io/signers - kubernetes.io/kubelet-serving',
      'sign certificates.k8s.io/signers - kubernetes.io/kube-apiserver-client',
      'update certificates.k8s.io/certificatesigningrequests/approval - x',
    ],
    mayNot: [
      'approve certificates.k8s.io/signers - kubernetes.io/kube-apiserver-client',
      'get -/secrets kube-system x',
    ],
  },
  {
    username: 'system:serviceaccount:kube-system:clusterrole-aggregation-controller',
    groups: accounts,
    may: [
      'escalate rbac.authorization.k8s.io/clusterroles - admin',
      'patch rbac.authorization.k8s.io/clusterroles - admin',
    ],
    mayNot: [
      'bind rbac.authorization.k8s.io/clusterroles - admin',
      'update rbac.authorization.k8s.io/clusterrolebindings - x',
    ],
  },
  {
    username: 'system:serviceaccount:kube-system:token-cleaner',
    groups: accounts,
    may: ['delete -/secrets kube-system bootstrap-token-abcdef'],
    mayNot: ['delete -/secrets default x', 'create -/secrets kube-system'],
  },
  {
    username: 'system:serviceaccount:kube-system:bootstrap-signer',
    groups: accounts,
    may: ['update -/configmaps kube-public cluster-info', 'list -/secrets kube-system'],
    mayNot: ['update -/configmaps kube-public other', 'list -/secrets default'],
  },
];

for (const { username, groups, may, mayNot } of callers) {
  test(`${username} has the rights of its work and no others`, () => {
    using authorizer = defaultAuthorizer();
    for (const text of may) assert.equal(authorizer.authorize(ask(username, groups, text)).verdict, 'allow', text);
    for (const text of mayNot)
      assert.notEqual(authorizer.authorize(ask(username, groups, text)).verdict, 'allow', text);
  });
}

test('roles for people keep endpoints, quotas and secrets where upstream keeps them', () => {
  const rulesOf = (name: string) => {
    const entry = bootstrapPolicy.find(({ resource, object }) => resource === roles && object.metadata?.name === name);
    assert.ok(entry, name);
    const { rules = [] }: ClusterRole = 'roleRef' in entry.object ? {} : entry.object;
    return new RuleSet(rules);
  };
  const allows = (role: string, text: string) => rulesOf(role).allows(ask('ann', [], text));
  for (const text of [
    'update -/endpoints ns x',
    'update discovery.k8s.io/endpointslices ns x',
    'create -/resourcequotas ns',
    'create rbac.authorization.k8s.io/roles ns',
  ]) {
    assert.equal(allows('system:aggregate-to-edit', text), false, text);
  }
  assert.equal(allows('system:aggregate-to-edit', 'create -/pods/exec ns x'), true);
  assert.equal(allows('system:aggregate-to-view', 'get -/pods/log ns x'), true);
  for (const text of ['get -/secrets ns x', 'get -/pods/exec ns x', 'get rbac.authorization.k8s.io/roles ns x']) {
    assert.equal(allows('system:aggregate-to-view', text), false, text);
  }
});
