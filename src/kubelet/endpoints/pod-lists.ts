import type { Pod } from '../../api/kubernetes/core-v1.ts';
import type { KubeletApi } from './kubelet-api.ts';

/** `GET /pods`: what this kubelet was told to run. */
export function listPods(api: KubeletApi): unknown {
  return podList(api.manager.pods().map((pod) => ({ apiVersion: 'v1', kind: 'Pod', ...pod })));
}

/** `GET /runningpods/`: what the runtimes run, whatever the API says. */
export function listRunningPods({ runtimes }: KubeletApi): unknown {
  const pods = runtimes.flatMap((runtime) => {
    const containers = runtime.listContainers();
    return runtime
      .listSandboxes()
      .filter(({ state }) => state === 'ready')
      .map(({ id, pod }) => ({
        metadata: { name: pod.name, namespace: pod.namespace, uid: pod.uid },
        spec: {
          containers: containers
            .filter(({ sandboxId, state }) => sandboxId === id && state.phase === 'running')
            .map(({ name, image }) => ({ name, image, resources: {} })),
        },
        status: {},
      }));
  });
  return podList(pods);
}

function podList(items: readonly Pod[]): unknown {
  return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
}
