import { timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../api/kubernetes/core-v1.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Authentication } from '../authenticator.ts';
import {
  type BootstrapTokenId,
  bootstrapTokenNamespace,
  bootstrapTokenSecretName,
  parseBootstrapToken,
  parseBootstrapTokenSecret,
} from '../bootstrap-tokens.ts';
import { authenticatedGroup } from '../groups.ts';
import type { ObjectSource } from '../object-source.ts';
import { implicitAudiences, type TokenAuthenticator } from './token-authenticator.ts';

export interface BootstrapTokenOptions {
  readonly objects: ObjectSource;
  readonly apiAudiences: readonly string[];
  readonly clock?: Clock;
}

/**
 * Joining nodes, by a token whose Secret lies in `kube-system`. Looked up each time, so that a deleted token ends at once.
 * Everything that is wrong with one looks the same from outside.
 * Source: k8s.io/kubernetes `plugin/pkg/auth/authenticator/token/bootstrap`.
 */
export function bootstrapTokenAuthenticator(options: BootstrapTokenOptions): TokenAuthenticator {
  const { objects, apiAudiences, clock = systemClock } = options;
  return {
    name: 'bootstraptoken',
    authenticateToken(token, wanted): Authentication {
      const presented = parseBootstrapToken(token);
      const audiences = implicitAudiences(wanted, apiAudiences);
      if (!presented || !audiences) return { outcome: 'none' };
      const name = bootstrapTokenSecretName(presented.id);
      const secret = objects.get<Secret>('secrets', { namespace: bootstrapTokenNamespace, name });
      const groups = secret && acceptedGroups(secret, presented, clock.now());
      if (!groups) return { outcome: 'none' };
      const user = {
        username: `system:bootstrap:${presented.id}`,
        uid: '',
        groups: [...groups, authenticatedGroup],
        extra: {},
      };
      return { outcome: 'authenticated', user, audiences };
    },
  };
}

/** The groups of who holds the token, or `undefined` where it does not count. */
function acceptedGroups(secret: Secret, presented: BootstrapTokenId, nowMs: number): string[] | undefined {
  const token = parseBootstrapTokenSecret(secret);
  if (!token || secret.metadata?.deletionTimestamp !== undefined) return undefined;
  // both are 16 characters of one byte each
  if (!timingSafeEqual(Buffer.from(token.secret), Buffer.from(presented.secret))) return undefined;
  if (!token.forAuthentication || token.extraGroups === undefined) return undefined;
  if (token.expiresAtMs !== undefined && token.expiresAtMs <= nowMs) return undefined;
  return ['system:bootstrappers', ...token.extraGroups];
}
