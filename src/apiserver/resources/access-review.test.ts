import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonKubeObject, JsonObject, KubeObject } from '../../api/object.ts';
import { createAuthorizer } from '../../auth/authorization/create-authorizer.ts';
import { rbacResources } from '../../auth/authorization/rbac-index.ts';
import { MemoryObjects } from '../../auth/memory-objects.ts';
import type { RequestContext } from '../exchange.ts';
import { localSubjectAccessReview } from './local-subject-access-review.ts';
import { selfSubjectAccessReview } from './self-subject-access-review.ts';
import { selfSubjectRulesReview } from './self-subject-rules-review.ts';
import { subjectAccessReview } from './subject-access-review.ts';

/** `ann` may get pods and read `/metrics`; `system:node:n1` is a node with one pod. */
function authorizer() {
  const objects = new MemoryObjects();
  const rules = [
    { verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['web-0'] },
    { verbs: ['get'], nonResourceURLs: ['/metrics'] },
  ];
  objects.set(rbacResources.clusterRoles, { metadata: { name: 'r' }, rules } as KubeObject);
  objects.set(rbacResources.clusterRoleBindings, {
    metadata: { name: 'b' },
    roleRef: { kind: 'ClusterRole', name: 'r' },
    subjects: [{ kind: 'User', name: 'ann' }],
  } as KubeObject);
  return createAuthorizer({ modes: ['Node', 'RBAC'], objects });
}

/** The two members that reviews read. */
const context = {
  user: { username: 'ann', uid: '', groups: [], extra: {} },
  info: { namespace: 'ns' },
} as unknown as RequestContext;
const review = (spec: JsonObject, metadata: JsonObject = {}): JsonKubeObject => ({ metadata, spec });
const statusOf = async (answer: Promise<JsonKubeObject>) => (await answer)['status'];

const allowed = {
  allowed: true,
  reason: 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "ann"',
};
const getWeb = { verb: 'get', resource: 'pods', name: 'web-0', namespace: 'ns' };

test('a subject access review answers for the subject it names, with its groups as they are', async () => {
  const handler = subjectAccessReview(authorizer());
  const ask = (spec: JsonObject) => statusOf(handler(review(spec), context));
  assert.deepEqual(await ask({ user: 'ann', resourceAttributes: getWeb }), allowed);
  assert.deepEqual(await ask({ user: 'bob', resourceAttributes: getWeb }), { allowed: false });
  assert.deepEqual(await ask({ user: 'ann', nonResourceAttributes: { path: '/metrics', verb: 'get' } }), allowed);
  assert.deepEqual(await ask({ groups: ['system:masters'], resourceAttributes: getWeb }), { allowed: true });
});

test('a kubelet asking in the name of a node gets the node authorizer’s reasons and selectors', async () => {
  const handler = subjectAccessReview(authorizer());
  const ask = (resourceAttributes: JsonObject) =>
    statusOf(handler(review({ user: 'system:node:n1', groups: ['system:nodes'], resourceAttributes }), context));
  assert.deepEqual(await ask({ verb: 'get', resource: 'secrets', namespace: 'ns', name: 's' }), {
    allowed: false,
    reason: "no relationship found between node 'n1' and this object",
  });
  const requirements = [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }];
  assert.deepEqual(await ask({ verb: 'list', resource: 'pods', fieldSelector: { requirements } }), { allowed: true });
  const rawSelector = 'spec.nodeName=n2';
  assert.equal(
    ((await ask({ verb: 'list', resource: 'pods', fieldSelector: { rawSelector } })) as JsonObject)['allowed'],
    false,
  );
});

test('a self review answers for the caller, whoever the body names', async () => {
  const handler = selfSubjectAccessReview(authorizer());
  const ask = (spec: JsonObject) => statusOf(handler(review(spec), context));
  assert.deepEqual(await ask({ resourceAttributes: getWeb }), allowed);
  assert.deepEqual(
    await ask({ user: 'x', groups: ['system:masters'], resourceAttributes: { ...getWeb, verb: 'delete' } }),
    {
      allowed: false,
    },
  );
});

test('a local review stays in its namespace', async () => {
  const handler = localSubjectAccessReview(authorizer());
  const ask = (spec: JsonObject) => handler(review(spec), context);
  assert.deepEqual(await statusOf(ask({ user: 'ann', resourceAttributes: getWeb })), allowed);
  await assert.rejects(ask({ user: 'ann', resourceAttributes: { ...getWeb, namespace: 'other' } }), {
    reason: 'BadRequest',
    message: 'spec.resourceAttributes.namespace must match namespace: ns',
  });
  await assert.rejects(ask({ user: 'ann', nonResourceAttributes: { path: '/metrics' } }), {
    reason: 'Invalid',
    message: /spec\.nonResourceAttributes: .*disallowed on this kind of request$/,
  });
});

test('reviews without a subject, without a question, with two, or with a name are refused', async () => {
  const handler = subjectAccessReview(authorizer());
  const ask = (spec: JsonObject, metadata?: JsonObject) => handler(review(spec, metadata), context);
  await assert.rejects(ask({ resourceAttributes: getWeb }), {
    reason: 'Invalid',
    message:
      'SubjectAccessReview.authorization.k8s.io "" is invalid: spec.user: Required value: at least one of user or group must be specified',
  });
  await assert.rejects(ask({ user: 'ann' }), /exactly one of nonResourceAttributes or resourceAttributes must be/);
  const both = { resourceAttributes: getWeb, nonResourceAttributes: { path: '/' } };
  await assert.rejects(ask({ user: 'ann', ...both }), /cannot be specified in combination with resourceAttributes$/);
  await assert.rejects(ask({ user: 'ann', resourceAttributes: getWeb }, { name: 'x' }), /metadata: .*must be empty$/);
});

test('a rules review lists the caller’s rules, and is incomplete for nodes', async () => {
  const handler = selfSubjectRulesReview(authorizer());
  assert.deepEqual(await statusOf(handler(review({ namespace: 'ns' }), context)), {
    resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['web-0'] }],
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/metrics'] }],
    incomplete: false,
  });
  const user = { username: 'system:node:n1', uid: '', groups: ['system:nodes'], extra: {} };
  assert.deepEqual(await statusOf(handler(review({ namespace: 'ns' }), { ...context, user })), {
    resourceRules: [],
    nonResourceRules: [],
    incomplete: true,
    evaluationError: 'node authorizer does not support user rule resolution',
  });
  await assert.rejects(handler(review({}), context), { message: 'no namespace on request' });
});
