import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentTokens, authenticateAgent, type TokenReviewResult } from './agent-authentication.ts';

function tokens(result: TokenReviewResult | Error): AgentTokens & { asked: string[] } {
  const asked: string[] = [];
  return {
    namespace: 'kube-system',
    serviceAccount: 'konnectivity-agent',
    audience: 'system:konnectivity-server',
    asked,
    review: async (token, { audience }) => {
      asked.push(`${token} for ${audience}`);
      if (result instanceof Error) throw result;
      return result;
    },
  };
}

const username = 'system:serviceaccount:kube-system:konnectivity-agent';
const good: TokenReviewResult = { authenticated: true, username };

test('a token of the right account is accepted, and reviewed for the right audience', async () => {
  const review = tokens(good);
  await authenticateAgent('Bearer abc\n', review);
  assert.deepEqual(review.asked, ['abc for system:konnectivity-server']);
});

const refusals: readonly (readonly [string, string | string[] | undefined, TokenReviewResult | Error, RegExp])[] = [
  ['no token', undefined, good, /Authentication context was not found in metadata$/],
  ['two tokens', ['Bearer a', 'Bearer b'], good, /too many \(2\) tokens are received$/],
  ['no prefix', 'abc', good, /received token does not have "Bearer " prefix$/],
  ['another case of the prefix', 'bearer abc', good, /received token does not have "Bearer " prefix$/],
  ['a token that is not valid', 'Bearer a', { authenticated: false }, /not valid$/],
  ['an error of the review', 'Bearer a', { ...good, error: 'expired' }, /expired$/],
  ['an API server that fails', 'Bearer a', new Error('unreachable'), /unreachable$/],
  ['another namespace', 'Bearer a', { ...good, username: username.replace('kube-system', 'default') }, /from default/],
  ['another account', 'Bearer a', { ...good, username: `${username}-2` }, /from konnectivity-agent-2/],
  ['a user that is no account', 'Bearer a', { ...good, username: 'system:node:a' }, /unexpected username format$/],
];

for (const [name, authorization, result, message] of refusals) {
  test(`refused: ${name}`, async () => {
    await assert.rejects(authenticateAgent(authorization, tokens(result)), (error: Error) => {
      assert.match(error.message, /^Failed to validate authentication token, err:/);
      assert.match(error.message, message);
      return true;
    });
  });
}
