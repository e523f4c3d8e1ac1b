import type { Pod, PodAffinityTerm, TopologySpreadConstraint } from '../../api/kubernetes/core-v1.ts';
import { type Selector, selectorFromObject } from '../../api/selectors.ts';
import { untoleratedTaint } from '../tolerations.ts';
import { matchesNodeAffinity } from './node-affinity.ts';
import type { NodeState } from './node-state.ts';

/** Labels of a namespace, for namespace selectors. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

/** The rules of a pod that look at other pods: affinity, anti-affinity (theirs too) and topology spread. */
export class TopologyFilter {
  readonly #pod: Pod;
  readonly #nodes: readonly NodeState[];
  readonly #namespaceLabels: NamespaceLabels;
  readonly #affinity: readonly MatchedTerm[];
  readonly #antiAffinity: readonly MatchedTerm[];
  /** `key=value` of topologies where a running pod does not want this one. */
  readonly #repelled = new Set<string>();
  readonly #spread: readonly SpreadRule[];

  constructor(pod: Pod, nodes: readonly NodeState[], namespaceLabels: NamespaceLabels) {
    this.#pod = pod;
    this.#nodes = nodes;
    this.#namespaceLabels = namespaceLabels;
    const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
    this.#affinity = this.#match(podAffinity?.requiredDuringSchedulingIgnoredDuringExecution);
    this.#antiAffinity = this.#match(podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution);
    this.#findRepelling();
    this.#spread = (pod.spec?.topologySpreadConstraints ?? [])
      .filter(({ whenUnsatisfiable }) => whenUnsatisfiable === 'DoNotSchedule')
      .map((constraint) => this.#spreadRule(constraint));
  }

  /** Why not this node, in upstream's words; undefined where it fits. */
  reasonAgainst({ labels }: NodeState): string | undefined {
    for (const { term, topologies, matchesSelf } of this.#affinity) {
      const value = labels[term.topologyKey];
      const first = topologies.size === 0 && matchesSelf; // The first of a group that wants to be together may go anywhere.
      if (value === undefined || !(topologies.has(value) || first)) return "node(s) didn't match pod affinity rules";
    }
    for (const { term, topologies } of this.#antiAffinity) {
      const value = labels[term.topologyKey];
      if (value !== undefined && topologies.has(value)) return "node(s) didn't match pod anti-affinity rules";
    }
    for (const [key, value] of Object.entries(labels)) {
      if (this.#repelled.has(`${key}=${value}`)) return "node(s) didn't satisfy existing pods anti-affinity rules";
    }
    for (const { constraint, counts, minimum, self } of this.#spread) {
      const value = labels[constraint.topologyKey];
      if (value === undefined) return "node(s) didn't match pod topology spread constraints (missing required label)";
      if ((counts.get(value) ?? 0) + self - minimum > constraint.maxSkew)
        return "node(s) didn't match pod topology spread constraints";
    }
    return undefined;
  }

  #match(terms: readonly PodAffinityTerm[] | undefined): MatchedTerm[] {
    return (terms ?? []).map((term) => {
      const topologies = new Set<string>();
      const matches = matcherOf(term, this.#pod, this.#namespaceLabels);
      for (const { labels, pods } of this.#nodes) {
        const value = labels[term.topologyKey];
        if (value === undefined || topologies.has(value)) continue;
        for (const other of pods.values()) if (matches(other)) topologies.add(value);
      }
      return { term, topologies, matchesSelf: matches(this.#pod) };
    });
  }

  #findRepelling(): void {
    for (const { labels, pods } of this.#nodes) {
      for (const other of pods.values()) {
        const terms = other.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
        for (const term of terms ?? []) {
          const value = labels[term.topologyKey];
          if (value !== undefined && matcherOf(term, other, this.#namespaceLabels)(this.#pod)) {
            this.#repelled.add(`${term.topologyKey}=${value}`);
          }
        }
      }
    }
  }

  #spreadRule(constraint: TopologySpreadConstraint): SpreadRule {
    const selector = withMatchLabelKeys(constraint, this.#pod);
    const namespace = this.#pod.metadata?.namespace;
    const counts = new Map<string, number>();
    for (const { node, labels, pods } of this.#nodes) {
      const value = labels[constraint.topologyKey];
      if (value === undefined) continue;
      if (constraint.nodeAffinityPolicy !== 'Ignore' && !matchesNodeAffinity(this.#pod, node)) continue;
      const tainted = untoleratedTaint(node.spec?.taints, this.#pod.spec?.tolerations, ['NoSchedule', 'NoExecute']);
      if (constraint.nodeTaintsPolicy === 'Honor' && tainted) continue;
      let count = counts.get(value) ?? 0;
      for (const { metadata } of pods.values()) {
        if (metadata?.namespace === namespace && !metadata?.deletionTimestamp && selector.matches(metadata?.labels))
          count++;
      }
      counts.set(value, count);
    }
    const few = counts.size < (constraint.minDomains ?? 1);
    const minimum = few || counts.size === 0 ? 0 : Math.min(...counts.values());
    return { constraint, counts, minimum, self: selector.matches(this.#pod.metadata?.labels) ? 1 : 0 };
  }
}

interface MatchedTerm {
  readonly term: PodAffinityTerm;
  /** Values of the topology key where a matching pod runs. */
  readonly topologies: ReadonlySet<string>;
  readonly matchesSelf: boolean;
}

interface SpreadRule {
  readonly constraint: TopologySpreadConstraint;
  readonly counts: ReadonlyMap<string, number>;
  readonly minimum: number;
  readonly self: number;
}

/** Whether a pod is one that the term, written in `owner`, means. */
function matcherOf(term: PodAffinityTerm, owner: Pod, namespaceLabels: NamespaceLabels): (pod: Pod) => boolean {
  const selector = selectorFromObject(term.labelSelector);
  const namespaceSelector = term.namespaceSelector && selectorFromObject(term.namespaceSelector);
  const own =
    (term.namespaces ?? []).length === 0 && !namespaceSelector
      ? [owner.metadata?.namespace ?? '']
      : (term.namespaces ?? []);
  return ({ metadata }) => {
    const namespace = metadata?.namespace ?? '';
    if (!own.includes(namespace) && !namespaceSelector?.matches(namespaceLabels(namespace) ?? {})) return false;
    return selector.matches(metadata?.labels);
  };
}

function withMatchLabelKeys({ labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint, pod: Pod): Selector {
  const extra: Record<string, string> = {};
  for (const key of matchLabelKeys) {
    const value = pod.metadata?.labels?.[key];
    if (value !== undefined) extra[key] = value;
  }
  if (!labelSelector) return selectorFromObject(labelSelector);
  return selectorFromObject({ ...labelSelector, matchLabels: { ...labelSelector.matchLabels, ...extra } });
}
