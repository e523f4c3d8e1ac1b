import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAuthorizer } from '../../auth/authorization/create-authorizer.ts';
import { rbacResources } from '../../auth/authorization/rbac-index.ts';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import type { AdmissionPlugin } from './admission.ts';
import { attributesFor, MemoryLive, refusalOf, type TestRequest } from './admission-attributes-suite.ts';
import { createAdmission } from './create-admission.ts';
import { RbacEscalation } from './rbac-escalation.ts';
import { runAdmission } from './run-admission.ts';

const group = 'rbac.authorization.k8s.io';

function optionsFor(objects = new MemoryObjects()) {
  return { objects, live: new MemoryLive(), authorizer: createAuthorizer({ modes: ['RBAC'], objects }) };
}

test('plugins come in upstream’s order, and flags take single ones away', () => {
  const names = (options: object) => createAdmission({ ...optionsFor(), ...options }).plugins.map(({ name }) => name);
  assert.deepEqual(names({}), [
    'NamespaceLifecycle',
    'ServiceAccount',
    'NodeRestriction',
    'TaintNodesByCondition',
    'Priority',
    'DefaultTolerationSeconds',
    'CertificateApproval',
    'CertificateSigning',
    'ClusterTrustBundleAttest',
    'CertificateSubjectRestriction',
    'RbacEscalation',
    'JoinToken',
  ]);
  assert.equal(names({ disable: ['ServiceAccount'] }).includes('ServiceAccount'), false);
  assert.throws(() => names({ disable: ['RbacEscalation'] }), {
    name: 'ConfigError',
    message: '--disable-admission-plugins: RbacEscalation cannot be disabled',
  });
  assert.throws(() => names({ enable: ['Nonsense'] }), /--enable-admission-plugins: "Nonsense" is no admission plugin/);
  assert.equal(names({ disable: ['LimitRanger'] }).length, names({}).length);
  assert.throws(() => names({ enable: ['LimitRanger'] }), /"LimitRanger" is no admission plugin/);
  assert.throws(
    () => names({ disable: ['Nonsense'] }),
    /--disable-admission-plugins: "Nonsense" is no admission plugin/,
  );
  assert.throws(() => names({ enable: ['Priority'], disable: ['Priority'] }), /Priority is also in/);
});

test('everything is changed before anything is judged', async () => {
  const seen: string[] = [];
  const plugin = (name: string): AdmissionPlugin => ({
    name,
    admit: () => void seen.push(`admit ${name}`),
    validate: async () => void seen.push(`validate ${name}`),
  });
  await runAdmission([plugin('a'), plugin('b')], attributesFor({ operation: 'CREATE', resource: 'pods', object: {} }));
  assert.deepEqual(seen, ['admit a', 'admit b', 'validate a', 'validate b']);
});

const readPods = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
const readSecrets = { verbs: ['get'], apiGroups: [''], resources: ['secrets'] };

/** `ann` may read pods, and there is a role that reads secrets. */
function escalation() {
  const objects = new MemoryObjects();
  objects.set(rbacResources.clusterRoles, { metadata: { name: 'pods' }, rules: [readPods] } as object);
  objects.set(rbacResources.clusterRoles, { metadata: { name: 'secrets' }, rules: [readSecrets] } as object);
  objects.set(rbacResources.clusterRoleBindings, {
    metadata: { name: 'ann' },
    roleRef: { kind: 'ClusterRole', name: 'pods' },
    subjects: [{ kind: 'User', name: 'ann' }],
  } as object);
  const plugin = new RbacEscalation({ authorizer: createAuthorizer({ modes: ['RBAC'], objects }) });
  return (request: TestRequest) => refusalOf(plugin, request);
}

const missing =
  'user "ann" (groups=[]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}';

test('nobody writes a role with rights they lack: on create, on update, and whatever the way of writing', async () => {
  const refusal = escalation();
  const create = (rules: object[], name = 'r'): TestRequest => ({
    operation: 'CREATE',
    resource: `roles.${group}`,
    namespace: 'ns',
    name,
    object: { metadata: { name, generateName: 'gen-' }, rules },
  });
  assert.equal(await refusal(create([readPods])), undefined);
  assert.equal(await refusal(create([readSecrets])), `roles.${group} "r" is forbidden: ${missing}`);
  assert.equal(await refusal(create([readSecrets], '')), `roles.${group} is forbidden: ${missing}`);
  // PUT, every kind of PATCH, and a create by PUT all come as UPDATE or CREATE with the finished object.
  const update = (rules: object[], metadata: object = {}): TestRequest => ({
    operation: 'UPDATE',
    resource: `roles.${group}`,
    namespace: 'ns',
    name: 'r',
    object: { metadata: { name: 'r', ...metadata }, rules },
    oldObject: { metadata: { name: 'r', labels: { a: 'b' } }, rules: [readSecrets] },
  });
  assert.equal(await refusal(update([readPods])), undefined);
  assert.equal(await refusal(update([readSecrets, readPods])), `roles.${group} "r" is forbidden: ${missing}`);
  assert.equal(await refusal(update([readSecrets], { labels: { a: 'b' }, finalizers: ['x'] })), undefined);
  assert.equal(await refusal(update([readSecrets], { labels: {} })), `roles.${group} "r" is forbidden: ${missing}`);
});

test('nobody binds a role with rights they lack', async () => {
  const refusal = escalation();
  const bind = (role: string, operation: 'CREATE' | 'UPDATE'): TestRequest => ({
    operation,
    resource: `clusterrolebindings.${group}`,
    name: 'b',
    object: {
      roleRef: { kind: 'ClusterRole', name: role, apiGroup: group },
      subjects: [{ kind: 'User', name: 'eve' }],
    },
    ...(operation === 'UPDATE' && { oldObject: { roleRef: { kind: 'ClusterRole', name: role, apiGroup: group } } }),
  });
  for (const operation of ['CREATE', 'UPDATE'] as const) {
    assert.equal(await refusal(bind('pods', operation)), undefined);
    assert.equal(
      await refusal(bind('secrets', operation)),
      `clusterrolebindings.${group} "b" is forbidden: ${missing}`,
    );
  }
  assert.equal(await refusal(bind('gone', 'CREATE')), `clusterroles.${group} "gone" not found`);
});

test('an aggregated role is written by who may do everything, even when the aggregation is being removed', async () => {
  const refusal = escalation();
  const expected = `clusterroles.${group} "r" is forbidden: must have cluster-admin privileges to use the aggregationRule`;
  const aggregated = { aggregationRule: { clusterRoleSelectors: [] } };
  const base = { resource: `clusterroles.${group}`, name: 'r' };
  assert.equal(await refusal({ operation: 'CREATE', ...base, object: { ...aggregated } }), expected);
  assert.equal(await refusal({ operation: 'UPDATE', ...base, object: {}, oldObject: { ...aggregated } }), expected);
  const master = { groups: ['system:masters'] };
  assert.equal(await refusal({ operation: 'CREATE', ...base, user: master, object: { ...aggregated } }), undefined);
});
