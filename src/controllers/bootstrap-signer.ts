import { isDeepStrictEqual } from 'node:util';
import type { ConfigMap, Secret } from '../api/kubernetes/core-v1.ts';
import { bootstrapTokenNamespace, bootstrapTokenType } from '../auth/bootstrap-tokens.ts';
import {
  clusterInfoKubeconfigKey,
  clusterInfoName,
  clusterInfoNamespace,
  clusterInfoSignatureKey,
  parseClusterInfoSignatureKey,
  signClusterInfo,
} from '../auth/cluster-info.ts';
import { objectKey } from '../client/object-index.ts';
import { configMaps, secrets } from '../client/resources.ts';
import { readTokenSecret } from './bootstrap-token-secret.ts';
import type { StartController } from './controller.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

const key = objectKey(clusterInfoNamespace, clusterInfoName);

/** Signs `cluster-info`, where it is: one signature by each bootstrap token that may sign and has not expired. */
export const startBootstrapSigner: StartController = (context) => {
  const { client, informers, clock } = context;
  const maps = informers.get<ConfigMap>(configMaps);
  const tokens = informers.get<Secret>(secrets);
  const loop = new ReconcileLoop({
    ...context,
    after: [maps, tokens],
    concurrency: 1,
    reconcile: async (_, signal) => {
      const present = maps.get(key);
      const kubeconfig = present?.data?.[clusterInfoKubeconfigKey];
      if (!present || kubeconfig === undefined) return undefined;
      const data: Record<string, string> = { [clusterInfoKubeconfigKey]: kubeconfig };
      for (const [name, value] of Object.entries(present.data ?? {})) {
        if (parseClusterInfoSignatureKey(name) === undefined) data[name] = value;
      }
      let nextMs: number | undefined;
      for (const secret of tokens.values()) {
        if (secret.type !== bootstrapTokenType || secret.metadata?.namespace !== bootstrapTokenNamespace) continue;
        const token = readTokenSecret(secret);
        if (!token?.forSigning) continue;
        const leftMs = token.expiresAtMs === undefined ? undefined : token.expiresAtMs - clock.now();
        if (leftMs !== undefined && leftMs <= 0) continue;
        if (leftMs !== undefined) nextMs = Math.min(nextMs ?? leftMs, leftMs);
        data[clusterInfoSignatureKey(token.id)] = signClusterInfo(kubeconfig, token);
      }
      if (!isDeepStrictEqual(present.data ?? {}, data)) {
        await client.update<ConfigMap>(configMaps, { ...present, data }, { signal });
      }
      return nextMs === undefined ? undefined : { afterMs: nextMs };
    },
  });
  maps.subscribe(({ object: { metadata } }) => {
    if (objectKey(metadata?.namespace, metadata?.name ?? '') === key) loop.add(key);
  });
  tokens.subscribe(({ object: { type } }) => {
    if (type === bootstrapTokenType) loop.add(key);
  });
  loop.add(key);
  return loop;
};
