import type { Namespace } from '../../api/kubernetes/core-v1.ts';
import type { InternalObjects } from '../internal-objects.ts';

export const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'] as const;

/** The namespaces that every cluster has. */
export async function ensureSystemNamespaces(objects: InternalObjects): Promise<void> {
  await Promise.all(
    systemNamespaces.map(async (name) => {
      if (await objects.get('namespaces', { namespace: '', name })) return;
      const namespace: Namespace = {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
        spec: { finalizers: ['kubernetes'] },
        status: { phase: 'Active' },
      };
      await objects.ensureCreated('namespaces', namespace);
    }),
  );
}
