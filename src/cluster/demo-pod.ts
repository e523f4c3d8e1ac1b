import { ApiError } from '../api/errors.ts';
import type { Pod } from '../api/kubernetes/core-v1.ts';
import type { ApiClient } from '../client/client.ts';
import { pods, serviceAccounts } from '../client/resources.ts';

const demoPod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'hello', namespace: 'default', labels: { app: 'hello' } },
  spec: {
    terminationGracePeriodSeconds: 2,
    containers: [{ name: 'demo', image: 'fairlead/demo', ports: [{ name: 'http', containerPort: 8080 }] }],
  },
};

/** Creates the quick start's pod unless it is there, and resolves once it runs. @throws the signal's reason */
export async function ensureDemoPod(client: ApiClient, signal: AbortSignal): Promise<Pod> {
  try {
    await untilServiceAccount(client, signal);
    await client.create<Pod>(pods, demoPod, { signal });
  } catch (error) {
    if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error;
  }
  return untilPod(client, 'hello', (pod) => isReady(pod), signal);
}

/** Whether the pod's Ready condition is true. */
export function isReady(pod: Pod): boolean {
  return (
    pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false
  );
}

async function untilPod(
  client: ApiClient,
  name: string,
  until: (pod: Pod) => boolean,
  signal: AbortSignal,
): Promise<Pod> {
  const fieldSelector = `metadata.name=${name}`;
  for await (const event of client.watch<Pod>(pods, { namespace: 'default', fieldSelector, signal })) {
    if ((event.type === 'ADDED' || event.type === 'MODIFIED') && until(event.object)) return event.object;
  }
  throw new Error(`The watch on pod default/${name} ended before the pod was as expected`);
}

/** A pod is refused until its namespace's service account is there, which a controller makes right after the first start. */
async function untilServiceAccount(client: ApiClient, signal: AbortSignal): Promise<void> {
  const options = { namespace: 'default', fieldSelector: 'metadata.name=default', signal };
  for await (const event of client.watch(serviceAccounts, options)) {
    if (event.type === 'ADDED' || event.type === 'MODIFIED') return;
  }
}
