import type { ContainerStatus, Pod, PodCondition } from '../../api/kubernetes/core-v1.ts';
import { formatTime } from '../../lib/clock.ts';
import type { PodPhase } from './pod-phase.ts';

export interface ConditionFacts {
  readonly phase: PodPhase;
  readonly sandboxReady: boolean;
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
}

type Wanted = { status: 'True' } | { status: 'False'; reason: string; message?: string };

/** The conditions that belong to the kubelet. A transition time moves only when a status flips. */
export function conditionsOf(pod: Pod, facts: ConditionFacts, nowMs: number): PodCondition[] {
  const previous = pod.status?.conditions ?? [];
  const containersReady = judgeContainers(pod, facts);
  const wanted: Record<string, Wanted> = {
    PodReadyToStartContainers: facts.sandboxReady ? { status: 'True' } : { status: 'False', reason: '' },
    Initialized: judgeInit(pod, facts),
    Ready: judgeReady(pod, containersReady, previous),
    ContainersReady: containersReady,
    PodScheduled: { status: 'True' },
  };
  return Object.entries(wanted).map(([type, want]) => {
    const before = previous.find((condition) => condition.type === type);
    const lastTransitionTime = before?.status === want.status ? before.lastTransitionTime : undefined;
    return {
      type,
      status: want.status,
      ...(pod.metadata?.generation !== undefined && { observedGeneration: pod.metadata.generation }),
      lastTransitionTime: lastTransitionTime ?? formatTime(nowMs),
      ...(want.status === 'False' && want.reason !== '' && { reason: want.reason }),
      ...(want.status === 'False' && want.message !== undefined && { message: want.message }),
    };
  });
}

function judgeInit(pod: Pod, { phase, init, main }: ConditionFacts): Wanted {
  if (phase === 'Succeeded') return { status: 'True' };
  const ran = main.some(({ state, lastState }) => state?.running ?? state?.terminated ?? lastState?.terminated);
  const missing = (pod.spec?.initContainers ?? []).filter(({ name, restartPolicy }) => {
    const status = init.find((candidate) => candidate.name === name);
    return restartPolicy === 'Always' ? !status?.started : status?.state?.terminated?.exitCode !== 0;
  });
  if (missing.length === 0 || ran) return { status: 'True' };
  const message = `containers with incomplete status: [${missing.map(({ name }) => name).join(' ')}]`;
  return { status: 'False', reason: 'ContainersNotInitialized', message };
}

function judgeContainers({ spec }: Pod, { phase, init, main }: ConditionFacts): Wanted {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const unready = [...sidecars, ...(spec?.containers ?? [])].filter(
    ({ name }) => ![...init, ...main].find((status) => status.name === name)?.ready,
  );
  if (unready.length === 0) return { status: 'True' };
  const message = `containers with unready status: [${unready.map(({ name }) => name).join(' ')}]`;
  return { status: 'False', reason: 'ContainersNotReady', message };
}

function judgeReady({ spec }: Pod, containersReady: Wanted, previous: readonly PodCondition[]): Wanted {
  if (containersReady.status === 'False') return containersReady;
  const closed = (spec?.readinessGates ?? []).filter(
    ({ conditionType }) => previous.find(({ type }) => type === conditionType)?.status !== 'True',
  );
  if (closed.length === 0) return { status: 'True' };
  const message = closed.map(
    ({ conditionType }) => `corresponding condition of pod readiness gate "${conditionType}" does not exist.`,
  );
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: message.join(', ') };
}
