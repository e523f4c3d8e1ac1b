import type { Namespace, ServiceAccount } from '../api/kubernetes/core-v1.ts';
import { objectKey } from '../client/object-index.ts';
import { namespaces, serviceAccounts } from '../client/resources.ts';
import type { ControllerContext } from './controller.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

/** Keeps a service account `default` in each active namespace. */
export function startServiceAccountController(context: ControllerContext): AsyncDisposable {
  const { client, informers } = context;
  const namespaceInformer = informers.get<Namespace>(namespaces);
  const accounts = informers.get<ServiceAccount>(serviceAccounts);
  const loop = new ReconcileLoop({
    ...context,
    after: [namespaceInformer, accounts],
    reconcile: async (namespace, signal) => {
      const found = namespaceInformer.get(namespace);
      if (!found || found.metadata?.deletionTimestamp) return undefined;
      if (accounts.get(objectKey(namespace, 'default'))) return undefined;
      await client.create<ServiceAccount>(serviceAccounts, { metadata: { name: 'default', namespace } }, { signal });
      return undefined;
    },
  });
  namespaceInformer.subscribe(({ object }) => loop.add(object.metadata?.name ?? ''));
  accounts.subscribe(({ type, object }) => {
    if (type === 'deleted' && object.metadata?.name === 'default') loop.add(object.metadata.namespace ?? '');
  });
  return loop;
}
