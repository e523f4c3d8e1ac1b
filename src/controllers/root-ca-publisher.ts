import type { ConfigMap, Namespace } from '../api/kubernetes/core-v1.ts';
import { objectKey } from '../client/object-index.ts';
import { configMaps, namespaces } from '../client/resources.ts';
import type { StartController } from './controller.ts';
import { ReconcileLoop } from './reconcile-loop.ts';

export const rootCaName = 'kube-root-ca.crt';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** Keeps the ConfigMap `kube-root-ca.crt` with the cluster's root certificate in each namespace; edits are reverted. */
export function rootCaPublisher({ certificatePem }: { certificatePem: string }): StartController {
  return (context) => {
    const { client, informers } = context;
    const namespaceInformer = informers.get<Namespace>(namespaces);
    const maps = informers.get<ConfigMap>(configMaps);
    const loop = new ReconcileLoop({
      ...context,
      after: [namespaceInformer, maps],
      reconcile: async (namespace, signal) => {
        const found = namespaceInformer.get(namespace);
        if (!found || found.metadata?.deletionTimestamp) return undefined;
        const present = maps.get(objectKey(namespace, rootCaName));
        const wanted = {
          metadata: { name: rootCaName, namespace, annotations: { 'kubernetes.io/description': description } },
          data: { 'ca.crt': certificatePem },
        };
        if (!present) await client.create<ConfigMap>(configMaps, wanted, { signal });
        else if (!isRight(present, certificatePem)) {
          const annotations = { ...wanted.metadata.annotations, ...present.metadata?.annotations };
          await client.update<ConfigMap>(
            configMaps,
            { ...present, metadata: { ...present.metadata, annotations }, data: wanted.data },
            { signal },
          );
        }
        return undefined;
      },
    });
    namespaceInformer.subscribe(({ object }) => loop.add(object.metadata?.name ?? ''));
    maps.subscribe(({ object }) => {
      if (object.metadata?.name === rootCaName) loop.add(object.metadata.namespace ?? '');
    });
    return loop;
  };
}

function isRight({ metadata, data }: ConfigMap, certificatePem: string): boolean {
  const keys = Object.keys(data ?? {});
  const described = (metadata?.annotations?.['kubernetes.io/description'] ?? '') !== '';
  return described && keys.length === 1 && data?.['ca.crt'] === certificatePem;
}
