import { hash } from 'node:crypto';
import type { UserInfo as ReviewedUser, TokenReview } from '../../api/kubernetes/authentication-v1.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Authentication } from '../authenticator.ts';
import { ExpiringCache } from '../expiring-cache.ts';
import type { UserInfo } from '../user.ts';
import { matchAudiences, type TokenAuthenticator } from './token-authenticator.ts';

export interface TokenReviewOptions {
  /** POSTs to `/apis/authentication.k8s.io/v1/tokenreviews` and gives what came back. */
  readonly post: (review: TokenReview, options: { signal: AbortSignal }) => Promise<TokenReview>;
  /** How long an answer is kept, good or bad; a failure to get one is not. @default two minutes */
  readonly cacheMs?: number;
  /** @default 10 seconds */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const maxAnswers = 4096;
/** Reviews that may be under way at one time; a token beyond that is refused. */
const maxPending = 256;

/**
 * Bearer tokens as the API server judges them: for kubelets and everyone else who holds no keys.
 * Source: k8s.io/apiserver `plugin/pkg/authenticator/token/webhook`.
 */
export function tokenReviewAuthenticator(options: TokenReviewOptions): TokenAuthenticator {
  const { post, cacheMs = 120_000, timeoutMs = 10_000, clock = systemClock } = options;
  const answers = new ExpiringCache<Authentication>({ maxEntries: maxAnswers, clock });
  const pending = new Map<string, Promise<Authentication>>();

  const ask = async (key: string, token: string, audiences: readonly string[]): Promise<Authentication> => {
    const spec = { token, ...(audiences.length > 0 && { audiences: [...audiences] }) };
    const review: TokenReview = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec };
    try {
      const answer = judge(await post(review, { signal: AbortSignal.timeout(timeoutMs) }), audiences);
      answers.set(key, answer, clock.now() + cacheMs);
      return answer;
    } catch (cause) {
      return { outcome: 'rejected', error: new Error('the token could not be reviewed', { cause }) };
    } finally {
      pending.delete(key);
    }
  };

  return {
    name: 'tokenreview',
    authenticateToken(token, audiences) {
      const key = hash('sha256', JSON.stringify([token, audiences]));
      const known = answers.get(key) ?? pending.get(key);
      if (known) return known;
      if (pending.size >= maxPending)
        return { outcome: 'rejected', error: new Error('too many token reviews are under way') };
      const answer = ask(key, token, audiences);
      pending.set(key, answer);
      return answer;
    },
  };
}

function judge({ status }: TokenReview, wanted: readonly string[]): Authentication {
  if (!status?.authenticated || !status.user) {
    return status?.error ? { outcome: 'rejected', error: new Error(status.error) } : { outcome: 'none' };
  }
  // a server that knows nothing of audiences answers none: then the token is for the API server only
  const audiences = matchAudiences(wanted, status.audiences ?? []);
  if (wanted.length > 0 && audiences.length === 0)
    return { outcome: 'rejected', error: new Error('the token is for another audience') };
  return { outcome: 'authenticated', user: readUser(status.user), audiences };
}

function readUser({ username = '', uid = '', groups = [], extra = {} }: ReviewedUser): UserInfo {
  return { username, uid, groups, extra };
}
