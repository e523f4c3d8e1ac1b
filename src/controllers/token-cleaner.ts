import type { Secret } from '../api/kubernetes/core-v1.ts';
import { bootstrapTokenNamespace, bootstrapTokenType } from '../auth/bootstrap-tokens.ts';
import { keyOf, splitKey } from '../client/object-index.ts';
import { secrets } from '../client/resources.ts';
import { readTokenSecret } from './bootstrap-token-secret.ts';
import type { ControllerContext } from './controller.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

/** Deletes bootstrap tokens when they expire. */
export function startTokenCleaner(context: ControllerContext): AsyncDisposable {
  const { client, informers, clock } = context;
  const tokens = informers.get<Secret>(secrets);
  const loop = new ReconcileLoop({
    ...context,
    after: [tokens],
    concurrency: 1,
    reconcile: async (key, signal) => {
      const secret = tokens.get(key);
      const expiresAtMs = secret && readTokenSecret(secret)?.expiresAtMs;
      if (!secret || expiresAtMs === undefined) return undefined;
      const leftMs = expiresAtMs - clock.now();
      if (leftMs > 0) return { afterMs: leftMs };
      const { namespace = '', name } = splitKey(key);
      await client.delete(secrets, { namespace, name }, { preconditions: { uid: secret.metadata?.uid ?? '' }, signal });
      return undefined;
    },
  });
  tokens.subscribe(({ type, object }) => {
    const isToken = object.type === bootstrapTokenType && object.metadata?.namespace === bootstrapTokenNamespace;
    if (isToken && type !== 'deleted') loop.add(keyOf(object));
  });
  return loop;
}
