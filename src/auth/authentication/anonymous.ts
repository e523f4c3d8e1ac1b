import type { Authentication, Authenticator } from '../authenticator.ts';
import { anonymousUser } from '../user.ts';

/** Paths that answer without credentials: health, and what a joining node reads before it has any. */
export const defaultAnonymousPaths: readonly string[] = [
  '/healthz',
  '/livez',
  '/readyz',
  '/api/v1/namespaces/kube-public/configmaps/cluster-info',
];

/** Who shows nothing is `system:anonymous`, on the paths named and nowhere else; `'any'` is upstream's default. */
export function anonymousAuthenticator(paths: readonly string[] | 'any' = defaultAnonymousPaths): Authenticator {
  const allowed = paths === 'any' ? undefined : new Set(paths);
  const result: Authentication = { outcome: 'authenticated', user: anonymousUser };
  return {
    name: 'anonymous',
    authenticate: ({ path }) => (allowed === undefined || allowed.has(path) ? result : { outcome: 'none' }),
  };
}
