import { randomUUID, timingSafeEqual } from 'node:crypto';
import type { Authentication } from '../authenticator.ts';
import { authenticatedGroup } from '../groups.ts';
import type { TokenAuthenticator } from './token-authenticator.ts';

/**
 * The API server's own token for calls to itself, made anew at each start and never written down.
 * Source: k8s.io/apiserver `pkg/server/config_selfclient.go`.
 */
export function loopbackTokenAuthenticator(token: string): TokenAuthenticator {
  const expected = Buffer.from(token);
  const result: Authentication = {
    outcome: 'authenticated',
    user: {
      username: 'system:apiserver',
      uid: randomUUID(),
      groups: ['system:masters', authenticatedGroup],
      extra: {},
    },
  };
  return {
    name: 'loopback',
    authenticateToken(presented, audiences) {
      const bytes = Buffer.from(presented);
      if (bytes.length !== expected.length || !timingSafeEqual(bytes, expected)) return { outcome: 'none' };
      return { ...result, audiences };
    },
  };
}
