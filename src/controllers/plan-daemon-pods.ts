import type { DaemonSet } from '../api/kubernetes/apps-v1.ts';
import type { Node, Pod } from '../api/kubernetes/core-v1.ts';
import { daemonTolerations, revisionHashLabel, targetNode } from './daemon-pods.ts';
import { scaled } from './deployment/int-or-percent.ts';
import { availableInMs, isPodActive, isPodFinished } from './pod-state.ts';
import { matchesNodeAffinity } from './scheduler/node-affinity.ts';
import { untoleratedTaint } from './tolerations.ts';

export interface DaemonPlan {
  /** Nodes that should have a pod. */
  readonly wanted: ReadonlySet<string>;
  /** Nodes that need one now. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
}

interface DaemonInput {
  readonly set: DaemonSet;
  readonly pods: readonly Pod[];
  readonly nodes: readonly Node[];
  /** Of the present template. */
  readonly hash: string;
  readonly nowMs: number;
}

/** Which nodes get a pod and which pods go: wrong node, surplus, failed, and, as the update strategy allows, outdated ones. */
export function planDaemonPods({ set, pods, nodes, hash, nowMs }: DaemonInput): DaemonPlan {
  const onNode = Map.groupBy(pods, targetNode);
  const wanted = new Set<string>();
  const create: string[] = [];
  const remove: Pod[] = [];
  for (const node of nodes) {
    const name = node.metadata?.name ?? '';
    const here = onNode.get(name) ?? [];
    onNode.delete(name);
    const { shouldRun, mayStay } = judge(set, node);
    if (shouldRun) wanted.add(name);
    const finished = here.filter((pod) => isPodFinished(pod) && !pod.metadata?.deletionTimestamp);
    const active = here.filter(isPodActive);
    if (!mayStay) remove.push(...active);
    else {
      remove.push(...finished, ...active.slice(1));
      if (shouldRun && active.length === 0 && here.length === finished.length) create.push(name);
    }
  }
  // The node is gone; the pod garbage collector would come later.
  for (const orphans of onNode.values()) remove.push(...orphans.filter(isPodActive));
  const gone = new Set(remove);
  remove.push(
    ...outdated({ set, pods: pods.filter((pod) => isPodActive(pod) && !gone.has(pod)), hash, nowMs, wanted }),
  );
  return { wanted, create, remove };
}

/** A rolling update: at most `maxUnavailable` nodes are without an available pod. */
function outdated({
  set,
  pods,
  hash,
  nowMs,
  wanted,
}: Omit<DaemonInput, 'nodes'> & { wanted: ReadonlySet<string> }): Pod[] {
  const strategy = set.spec?.updateStrategy;
  if (strategy?.type === 'OnDelete') return [];
  const maxUnavailable = Math.max(1, scaled(strategy?.rollingUpdate?.maxUnavailable ?? 1, wanted.size, 'up'));
  const isAvailable = (pod: Pod) => availableInMs(pod, set.spec?.minReadySeconds ?? 0, nowMs) === 0;
  const old = pods.filter(({ metadata }) => metadata?.labels?.[revisionHashLabel] !== hash);
  const broken = old.filter((pod) => !isAvailable(pod));
  const unavailable = wanted.size - pods.filter(isAvailable).length;
  const mayGo = Math.max(0, maxUnavailable - unavailable);
  return [...broken, ...old.filter(isAvailable).slice(0, mayGo)];
}

/** Whether a pod should be started there, and whether one that runs may stay. */
function judge(set: DaemonSet, node: Node): { shouldRun: boolean; mayStay: boolean } {
  const spec = set.spec?.template.spec;
  if (!spec || !matchesNodeAffinity({ spec }, node) || (spec.nodeName && spec.nodeName !== node.metadata?.name)) {
    return { shouldRun: false, mayStay: false };
  }
  const tolerations = [...(spec.tolerations ?? []), ...daemonTolerations(set)];
  const taints = node.spec?.taints;
  const barred = untoleratedTaint(taints, tolerations, ['NoSchedule', 'NoExecute']) !== undefined;
  return { shouldRun: !barred, mayStay: !untoleratedTaint(taints, tolerations, ['NoExecute']) };
}
