import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attributes, Authorizer } from '../auth/authorizer.ts';
import { impersonate } from './impersonation.ts';

const bob = { username: 'bob', uid: '', groups: ['system:authenticated'], extra: {} };

/** Allows what is listed, written `group/resource/subresource namespace/name`. */
function allowing(...allowed: string[]): Authorizer & { asked: string[] } {
  const asked: string[] = [];
  return {
    name: 'test',
    asked,
    authorize(attributes: Attributes) {
      assert.ok(attributes.kind === 'resource' && attributes.verb === 'impersonate' && attributes.user === bob);
      const { group, resource, subresource, namespace, name } = attributes;
      const text = `${group}/${resource}/${subresource} ${namespace}/${name}`;
      asked.push(text);
      return allowed.includes(text) ? { verdict: 'allow', reason: '' } : { verdict: 'noOpinion', reason: '' };
    },
  };
}

test('a request without such headers goes on at once', () => {
  assert.equal(impersonate({ accept: '*/*' }, bob, allowing()), undefined);
});

test('every part of an identity is asked for', async () => {
  const authorizer = allowing(
    '/users/ /alice',
    '/groups/ /a, b',
    '/groups/ /c',
    'authentication.k8s.io/userextras/acme.com/project /one',
    'authentication.k8s.io/uids/ /42',
  );
  const headers = {
    'impersonate-user': 'alice',
    'impersonate-group': ['a, b', 'c'],
    'impersonate-uid': '42',
    'impersonate-extra-acme.com%2Fproject': 'one',
  };
  const result = await impersonate(headers, bob, authorizer);
  assert.deepEqual(result?.user, {
    username: 'alice',
    uid: '42',
    groups: ['a, b', 'c', 'system:authenticated'],
    extra: { 'acme.com/project': ['one'] },
  });
  assert.deepEqual(result?.consumedHeaders, Object.keys(headers));
  assert.equal(authorizer.asked.length, 5);
});

test('one part that is not allowed refuses the whole', async (t) => {
  const cases: [string, Record<string, string | string[]>, string][] = [
    [
      'user',
      { 'impersonate-user': 'root' },
      'users "root" is forbidden: User "bob" cannot impersonate resource "users" in API group "" at the cluster scope',
    ],
    [
      'group',
      { 'impersonate-user': 'alice', 'impersonate-group': 'system:masters' },
      'groups "system:masters" is forbidden: User "bob" cannot impersonate resource "groups" in API group "" at the cluster scope',
    ],
    [
      'uid',
      { 'impersonate-user': 'alice', 'impersonate-uid': '1' },
      'uids.authentication.k8s.io "1" is forbidden: User "bob" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope',
    ],
    [
      'extra',
      { 'impersonate-user': 'alice', 'impersonate-extra-k': 'v' },
      'userextras.authentication.k8s.io "v" is forbidden: User "bob" cannot impersonate resource "userextras/k" in API group "authentication.k8s.io" at the cluster scope',
    ],
    [
      'service account',
      { 'impersonate-user': 'system:serviceaccount:prod:app' },
      'serviceaccounts "app" is forbidden: User "bob" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "prod"',
    ],
  ];
  for (const [name, headers, message] of cases) {
    await t.test(name, () =>
      assert.rejects(async () => impersonate(headers, bob, allowing('/users/ /alice')), {
        name: 'ApiError',
        code: 403,
        message,
      }),
    );
  }
});

test('a right on users is none on service accounts', async () => {
  const authorizer = allowing('/users/ /system:serviceaccount:prod:app');
  await assert.rejects(
    async () => impersonate({ 'impersonate-user': 'system:serviceaccount:prod:app' }, bob, authorizer),
    { code: 403 },
  );
});

test('a service account gets its groups, the anonymous user his', async () => {
  const account = await impersonate(
    { 'impersonate-user': 'system:serviceaccount:prod:app' },
    bob,
    allowing('/serviceaccounts/ prod/app'),
  );
  assert.deepEqual(account?.user.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:prod',
    'system:authenticated',
  ]);
  const anonymous = await impersonate(
    { 'impersonate-user': 'system:anonymous' },
    bob,
    allowing('/users/ /system:anonymous'),
  );
  assert.deepEqual(anonymous?.user.groups, ['system:unauthenticated']);
});

test('headers without a user, and too many of them, are a bad request', async () => {
  for (const headers of [
    { 'impersonate-group': 'a' },
    { 'impersonate-uid': '1' },
    { 'impersonate-extra-k': 'v' },
    { 'impersonate-user': '' },
  ]) {
    await assert.rejects(async () => impersonate(headers, bob, allowing()), { name: 'ApiError', code: 400 });
  }
  const groups = Array.from({ length: 1000 }, (_, index) => `g${index}`);
  const authorizer = allowing();
  await assert.rejects(
    async () => impersonate({ 'impersonate-user': 'a', 'impersonate-group': groups }, bob, authorizer),
    { code: 400 },
  );
  assert.deepEqual(authorizer.asked, []);
});
