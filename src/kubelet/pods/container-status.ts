import { readFile } from 'node:fs/promises';
import type { Container, ContainerState, ContainerStatus, EphemeralContainer } from '../../api/kubernetes/core-v1.ts';
import { formatTime } from '../../lib/clock.ts';
import type { ContainerInstance } from '../runtimes/runtime.ts';

export interface StatusFacts {
  readonly runtimeName: string;
  /** Newest first. */
  readonly instances: readonly ContainerInstance[];
  /** Why the container does not run, where the agent holds it back. */
  readonly waiting: { readonly reason: string; readonly message: string } | undefined;
  /** Before the first start: `ContainerCreating` or `PodInitializing`. */
  readonly initialReason: string;
  readonly started: boolean;
  readonly ready: boolean;
  /** What the API server has of this container: kept where the runtime has forgotten. */
  readonly previous: ContainerStatus | undefined;
  /** By container id. */
  readonly messages: ReadonlyMap<string, string>;
}

/** One `containerStatuses` entry. Source: kubelet `pkg/kubelet/kubelet_pods.go` `convertToAPIContainerStatuses`. */
export function statusOf(container: Container | EphemeralContainer, facts: StatusFacts): ContainerStatus {
  const [newest, second] = facts.instances;
  const { waiting, previous } = facts;
  const terminatedBefore = previous?.state?.terminated ?? previous?.lastState?.terminated;
  const common = { name: container.name, image: container.image ?? '' };
  if (!newest) {
    const state = { waiting: { reason: waiting?.reason ?? facts.initialReason, ...messageOf(waiting?.message) } };
    return {
      ...common,
      imageID: previous?.imageID ?? '',
      ready: false,
      started: false,
      restartCount: previous?.restartCount ?? 0,
      state,
      lastState: terminatedBefore ? { terminated: terminatedBefore } : {},
      ...(previous?.containerID && { containerID: previous.containerID }),
    };
  }
  const id = (instance: ContainerInstance) => `${facts.runtimeName}://${instance.id}`;
  const present = stateOf(newest, id(newest), facts);
  const held = waiting !== undefined && newest.state.phase !== 'running';
  const state: ContainerState = held ? { waiting: { reason: waiting.reason, ...messageOf(waiting.message) } } : present;
  const older = second ? stateOf(second, id(second), facts) : (previous?.lastState ?? {});
  const last = held && present.terminated ? present : older;
  const running = state.running !== undefined;
  return {
    ...common,
    imageID: newest.imageId,
    containerID: id(newest),
    restartCount: newest.attempt,
    started: running && facts.started,
    ready: (running && facts.ready) || false,
    state,
    lastState: last.terminated ? { terminated: last.terminated } : {},
  };
}

function stateOf(
  instance: ContainerInstance,
  containerID: string,
  { messages, initialReason }: StatusFacts,
): ContainerState {
  const { state, id } = instance;
  if (state.phase === 'created') return { waiting: { reason: initialReason } };
  if (state.phase === 'running') return { running: { startedAt: formatTime(state.startedAtMs) } };
  const message = state.message || messages.get(id);
  return {
    terminated: {
      exitCode: state.exitCode,
      reason: state.reason,
      ...messageOf(message),
      startedAt: formatTime(state.startedAtMs),
      finishedAt: formatTime(state.finishedAtMs),
      containerID,
    },
  };
}

function messageOf(message: string | undefined): { message?: string } {
  return message ? { message } : {};
}

const maxMessageBytes = 4096;
const maxFallbackBytes = 2048;
const maxFallbackLines = 80;

/** What a container left to say: its termination message file, or the end of its log where the policy asks for that. */
export async function readTerminationMessage(
  path: string,
  { state, logPath }: ContainerInstance,
  policy: string | undefined,
): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  if (text !== '') return text.slice(0, maxMessageBytes);
  const failed = state.phase === 'exited' && state.exitCode !== 0;
  if (policy !== 'FallbackToLogsOnError' || !failed) return '';
  const log = await readFile(logPath, 'utf8').catch(() => '');
  const lines = log.trimEnd().split('\n').slice(-maxFallbackLines);
  return `${lines.map((line) => line.split(' ').slice(3).join(' ')).join('\n')}\n`.slice(-maxFallbackBytes);
}
