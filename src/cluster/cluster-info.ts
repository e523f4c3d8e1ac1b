import { ApiError } from '../api/errors.ts';
import type { ConfigMap } from '../api/kubernetes/core-v1.ts';
import { clusterInfoKubeconfigKey, clusterInfoName, clusterInfoNamespace } from '../auth/cluster-info.ts';
import type { ApiClient } from '../client/client.ts';
import { configMaps } from '../client/resources.ts';
import { formatYaml } from '../lib/yaml.ts';

/**
 * Keeps what a joining node may read without credentials: the API server's address and CA, in `kube-public/cluster-info`.
 * The bootstrap signer adds a signature by each token.
 */
export async function ensureClusterInfo(client: ApiClient, cluster: { server: string; caPem: string }): Promise<void> {
  const kubeconfig = formatYaml({
    apiVersion: 'v1',
    clusters: [
      {
        cluster: {
          'certificate-authority-data': Buffer.from(cluster.caPem).toString('base64'),
          server: cluster.server,
        },
        name: '',
      },
    ],
    contexts: null,
    'current-context': '',
    kind: 'Config',
    preferences: {},
    users: null,
  });
  const metadata = { name: clusterInfoName, namespace: clusterInfoNamespace };
  const present = await find(client);
  if (!present) {
    await client.create<ConfigMap>(configMaps, { metadata, data: { [clusterInfoKubeconfigKey]: kubeconfig } });
  } else if (present.data?.[clusterInfoKubeconfigKey] !== kubeconfig) {
    // The signatures were over the old text.
    await client.update<ConfigMap>(configMaps, { ...present, data: { [clusterInfoKubeconfigKey]: kubeconfig } });
  }
}

async function find(client: ApiClient): Promise<ConfigMap | undefined> {
  try {
    return await client.get<ConfigMap>(configMaps, { namespace: clusterInfoNamespace, name: clusterInfoName });
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'NotFound') return undefined;
    throw error;
  }
}
