import type { ConfigMap, Pod } from '../../src/api/kubernetes/core-v1.ts';
import type { Connection } from './connection.ts';

export const json = { 'content-type': 'application/json' };

/** A namespace in which pods can be made without any controller: with its default service account. */
export async function ensureNamespace(connection: Connection, namespace: string): Promise<void> {
  await createUnlessThere(connection, '/api/v1/namespaces', { metadata: { name: namespace } });
  await createUnlessThere(connection, `/api/v1/namespaces/${namespace}/serviceaccounts`, {
    metadata: { name: 'default' },
  });
}

/**
 * Pods that are served with 4 KB each, whatever a server adds of its own (upstream: managed fields). Those that exist are kept.
 * Their names: `pod-0000`, `pod-0001`, …
 */
export async function ensurePods(connection: Connection, namespace: string, count: number): Promise<void> {
  await ensureNamespace(connection, namespace);
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const served = 4096;
  const probe = await connection.call({
    method: 'POST',
    path: `${path}?dryRun=All`,
    headers: json,
    body: pod('probe-00'),
  });
  const padding = Math.max(0, served - probe.body.length);
  let next = 0;
  const caller = async () => {
    for (let index = next++; index < count; index = next++) {
      await createUnlessThere(connection, path, JSON.parse(pod(podName(index), padding)) as Pod);
    }
  };
  await Promise.all(Array.from({ length: 16 }, caller));
}

export function podName(index: number): string {
  return `pod-${String(index).padStart(4, '0')}`;
}

/** A pod as a Deployment makes it, as JSON. */
export function pod(name: string, padding = 0): string {
  const probe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 10 };
  const object: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { app: 'bench', 'app.kubernetes.io/name': 'bench', 'pod-template-hash': '6b7f8c9d5' },
      annotations: { padding: 'x'.repeat(padding) },
    },
    spec: {
      containers: [
        {
          name: 'main',
          image: 'registry.example/bench:1.0',
          ports: [{ containerPort: 8080, name: 'http' }],
          env: ['A', 'B', 'C'].map((key) => ({ name: key, value: `value of ${key}` })),
          resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
          readinessProbe: probe,
          livenessProbe: probe,
        },
      ],
    },
  };
  return JSON.stringify(object);
}

/** About 1 KB as JSON. */
export function configMap(name: string, value = ''): string {
  const object: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { app: 'bench' } },
    data: { value, text: 'x'.repeat(800) },
  };
  return JSON.stringify(object);
}

async function createUnlessThere(connection: Connection, path: string, object: object): Promise<void> {
  try {
    await connection.call({ method: 'POST', path, headers: json, body: JSON.stringify(object) });
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('"reason":"AlreadyExists"'))) throw error;
  }
}
