import type { ContainerStatus, Pod } from '../../api/kubernetes/core-v1.ts';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/**
 * The phase that follows from container statuses. Source: kubelet `pkg/kubelet/kubelet_pods.go` `getPhase`.
 * @param ending the pod is being terminated: what has stopped does not come back
 */
export function phaseOf(
  { spec }: Pod,
  statuses: { init: readonly ContainerStatus[]; main: readonly ContainerStatus[] },
  { ending }: { ending: boolean },
): PodPhase {
  const restartPolicy = spec?.restartPolicy ?? 'Always';
  const everRan = statuses.main.some(
    ({ state, lastState }) => state?.running ?? state?.terminated ?? lastState?.terminated,
  );
  let pendingInit = 0;
  let failedInit = false;
  for (const container of spec?.initContainers ?? []) {
    const status = statuses.init.find(({ name }) => name === container.name);
    if (container.restartPolicy === 'Always') {
      if (!everRan && !status?.started) pendingInit++;
    } else if (status?.state?.terminated) {
      if (status.state.terminated.exitCode === 0) continue;
      if (restartPolicy === 'Never') failedInit = true;
      else pendingInit++;
    } else if (!everRan) pendingInit++;
  }
  if (failedInit) return 'Failed';
  if (pendingInit > 0 && !ending) return 'Pending';
  let [running, waiting, stopped, succeeded] = [0, 0, 0, 0];
  for (const container of spec?.containers ?? []) {
    const status = statuses.main.find(({ name }) => name === container.name);
    const terminated = status?.state?.terminated ?? status?.lastState?.terminated;
    if (status?.state?.running) running++;
    else if (terminated) {
      stopped++;
      if (terminated.exitCode === 0) succeeded++;
    } else waiting++;
  }
  if (ending && running === 0) return stopped > 0 && stopped === succeeded ? 'Succeeded' : 'Failed';
  if (waiting > 0) return 'Pending';
  if (running > 0) return 'Running';
  if (stopped === 0) return 'Pending';
  if (restartPolicy === 'Always') return 'Running';
  if (stopped === succeeded) return 'Succeeded';
  return restartPolicy === 'Never' ? 'Failed' : 'Running';
}
