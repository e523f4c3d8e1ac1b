import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TokenReview, TokenReviewStatus } from '../../api/kubernetes/authentication-v1.ts';
import { tokenReviewAuthenticator } from './token-review.ts';

function makeReviewer(answer: (review: TokenReview) => TokenReviewStatus | Error) {
  let nowMs = 0;
  const asked: TokenReview[] = [];
  const authenticator = tokenReviewAuthenticator({
    post: async (review) => {
      asked.push(review);
      const status = answer(review);
      if (status instanceof Error) throw status;
      return { ...review, status };
    },
    clock: { now: () => nowMs, delay: () => Promise.resolve() },
  });
  return {
    asked,
    ask: async (token: string, audiences: string[] = []) => authenticator.authenticateToken(token, audiences),
    advance: (ms: number) => {
      nowMs += ms;
    },
  };
}

const known: TokenReviewStatus = { authenticated: true, user: { username: 'alice', groups: ['g'] } };

test('an answer is kept for two minutes', async () => {
  const { asked, ask, advance } = makeReviewer(() => known);
  const [first] = await Promise.all([ask('t'), ask('t')]);
  assert.deepEqual(first, {
    outcome: 'authenticated',
    user: { username: 'alice', uid: '', groups: ['g'], extra: {} },
    audiences: [],
  });
  await ask('t');
  assert.equal(asked.length, 1);
  assert.deepEqual(asked[0]?.spec, { token: 't' });
  await ask('other');
  assert.equal(asked.length, 2);
  advance(120_000);
  await ask('t');
  assert.equal(asked.length, 3);
});

test('a token that is not known is refused', async () => {
  const { ask } = makeReviewer(() => ({ authenticated: false, error: 'invalid bearer token' }));
  const result = await ask('t');
  assert.ok(result.outcome === 'rejected');
  assert.equal(result.error.message, 'invalid bearer token');
});

test('a failure to ask refuses, is not kept and does not tell the token', async () => {
  let fail = true;
  const { ask } = makeReviewer(() => (fail ? new Error('connection refused') : known));
  const result = await ask('secret-token');
  assert.ok(result.outcome === 'rejected');
  assert.equal(result.error.message, 'the token could not be reviewed');
  fail = false;
  assert.equal((await ask('secret-token')).outcome, 'authenticated');
});

test('an answer for other audiences than those asked for is refused', async () => {
  const { ask } = makeReviewer(() => ({ ...known, audiences: ['api'] }));
  assert.equal((await ask('t', ['vault'])).outcome, 'rejected');
  const result = await ask('t', ['vault', 'api']);
  assert.deepEqual(result.outcome === 'authenticated' && result.audiences, ['api']);
});
