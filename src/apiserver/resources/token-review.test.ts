import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '../../api/object.ts';
import { createAuthenticator } from '../../auth/authentication/create-authenticator.ts';
import type { RequestContext } from '../exchange.ts';
import { selfSubjectReviewHandler } from './self-subject-review.ts';
import { tokenReviewHandler } from './token-review.ts';

const user = { username: 'robot', uid: '7', groups: ['bots'], extra: { 'acme.com/k': ['v'] } };
const authenticator = createAuthenticator({
  staticTokens: [{ token: 'good', user }],
  apiAudiences: ['api'],
  anonymousPaths: 'any',
});
const context = { user } as unknown as RequestContext; // nothing else of it is used

function review(spec: JsonObject) {
  const object = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec };
  return tokenReviewHandler({ authenticator, apiAudiences: ['api'] })(object, context);
}

test('a token that is known gives its user and audiences', async () => {
  const answer = await review({ token: 'good' });
  assert.deepEqual(answer['status'], {
    authenticated: true,
    user: { ...user, groups: ['bots', 'system:authenticated'] },
    audiences: ['api'],
  });
});

test('a token that is not known is an answer', async () => {
  const refused = { authenticated: false, error: 'invalid bearer token' };
  assert.deepEqual((await review({ token: 'bad' }))['status'], refused);
  assert.deepEqual((await review({ token: 'good', audiences: ['vault'] }))['status'], refused);
});

test('white space is no token and nobody, also where everybody may be anonymous', async () => {
  for (const token of [' ', ' good', '  x']) {
    assert.deepEqual((await review({ token }))['status'], { authenticated: false }, JSON.stringify(token));
  }
});

test('a review without a token is a bad request', async () => {
  await assert.rejects(review({ token: '' }), { name: 'ApiError', code: 400 });
});

test('a self subject review tells who is calling', async () => {
  const handler = selfSubjectReviewHandler({ clock: { now: () => 0, delay: () => Promise.resolve() } });
  const object = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview', metadata: {} };
  assert.deepEqual(await handler(object, context), {
    ...object,
    metadata: { creationTimestamp: '1970-01-01T00:00:00Z' },
    status: { userInfo: user },
  });
});
