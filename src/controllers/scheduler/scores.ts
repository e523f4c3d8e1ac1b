import { controllerOf } from '../owner-references.ts';
import { untoleratedTaint } from '../tolerations.ts';
import type { PodView } from './filters.ts';
import { matchesNodeTerm } from './node-affinity.ts';
import type { NodeState } from './node-state.ts';

/** What upstream assumes for containers that request nothing, so that they spread too. */
const assumedMilliCpu = 100;
const assumedMemory = 200 * 1024 * 1024;

/** The best of the nodes that fit: least allocated, preferred affinity, few siblings, tolerated soft taints. The higher wins. */
export function scoreNode(view: PodView, state: NodeState): number {
  return (
    leastAllocated(view, state) +
    2 * preferredAffinity(view, state) +
    2 * spread(view, state) +
    3 * softTaints(view, state)
  );
}

/** 0 to 100 */
function leastAllocated({ requests }: PodView, { allocatable, requested, pods }: NodeState): number {
  const rows = [
    ['cpu', assumedMilliCpu],
    ['memory', assumedMemory],
  ] as const;
  const free = rows.map(([name, assumed]) => {
    const capacity = allocatable.get(name) ?? 0;
    if (capacity === 0) return 0;
    const used = Math.max(requested.get(name) ?? 0, pods.size * assumed) + (requests.get(name) || assumed);
    return Math.max(0, ((capacity - used) * 100) / capacity);
  });
  return free.reduce((sum, value) => sum + value, 0) / rows.length;
}

/** 0 to 100: the share of preferred weight that the node has. */
function preferredAffinity({ pod }: PodView, { node }: NodeState): number {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  let matched = 0;
  let total = 0;
  for (const { weight, preference } of terms) {
    total += weight;
    if (matchesNodeTerm(preference, node)) matched += weight;
  }
  return total === 0 ? 0 : (matched * 100) / total;
}

/** 0 to 100: how few pods of the same controller run there. */
function spread({ pod }: PodView, { pods }: NodeState): number {
  const uid = controllerOf(pod)?.uid;
  if (uid === undefined) return 0;
  let siblings = 0;
  for (const other of pods.values()) if (controllerOf(other)?.uid === uid) siblings++;
  return 100 / (1 + siblings);
}

function softTaints({ pod }: PodView, { node }: NodeState): number {
  return untoleratedTaint(node.spec?.taints, pod.spec?.tolerations, ['PreferNoSchedule']) ? 0 : 100;
}
