import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { reasonsAgainst, viewPod } from './filters.ts';
import type { NodeState } from './node-state.ts';
import { scoreNode } from './scores.ts';
import { type NamespaceLabels, TopologyFilter } from './topology.ts';

export type Choice = { readonly node: string } | { readonly message: string };

/** The node a pod goes to, or why there is none, in the words of upstream's `FitError`. */
export function chooseNode(pod: Pod, nodes: readonly NodeState[], namespaceLabels: NamespaceLabels): Choice {
  if (nodes.length === 0) return { message: 'no nodes available to schedule pods' };
  const view = viewPod(pod);
  const topology = new TopologyFilter(pod, nodes, namespaceLabels);
  const against = new Map<string, number>();
  let best: { node: string; score: number } | undefined;
  for (const state of nodes) {
    let reasons = reasonsAgainst(view, state);
    if (reasons.length === 0) {
      const reason = topology.reasonAgainst(state);
      if (reason !== undefined) reasons = [reason];
    }
    for (const reason of reasons) against.set(reason, (against.get(reason) ?? 0) + 1);
    if (reasons.length > 0) continue;
    const score = scoreNode(view, state);
    if (!best || score > best.score) best = { node: state.name, score };
  }
  if (best) return { node: best.node };
  const parts = [...against].map(([reason, count]) => `${count} ${reason}`).sort();
  return { message: `0/${nodes.length} nodes are available: ${parts.join(', ')}.` };
}
