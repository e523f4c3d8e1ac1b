import type { Pod } from '../../api/kubernetes/core-v1.ts';
import { tolerates, untoleratedTaint } from '../tolerations.ts';
import { matchesNodeAffinity } from './node-affinity.ts';
import { hostPorts, type NodeState } from './node-state.ts';
import { podRequests } from './pod-requests.ts';

/** What is worked out once for a pod and used for every node. */
export interface PodView {
  readonly pod: Pod;
  readonly requests: ReadonlyMap<string, number>;
  readonly ports: ReturnType<typeof hostPorts>;
}

export function viewPod(pod: Pod): PodView {
  return { pod, requests: podRequests(pod), ports: hostPorts(pod) };
}

/** Why the pod cannot run on the node, in upstream's words; nothing where it can. */
type Filter = (view: PodView, state: NodeState) => readonly string[];

const unschedulableTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const filters: readonly Filter[] = [
  function nodeUnschedulable({ pod }, { node }) {
    if (!node.spec?.unschedulable) return [];
    const tolerated = pod.spec?.tolerations?.some((toleration) => tolerates(toleration, unschedulableTaint));
    return tolerated ? [] : ['node(s) were unschedulable'];
  },
  function nodeName({ pod }, { name }) {
    const wanted = pod.spec?.nodeName;
    return wanted && wanted !== name ? ["node(s) didn't match the requested node name"] : [];
  },
  function taintToleration({ pod }, { node }) {
    const taint = untoleratedTaint(node.spec?.taints, pod.spec?.tolerations, ['NoSchedule', 'NoExecute']);
    return taint ? ['node(s) had untolerated taint(s)'] : [];
  },
  function nodeAffinity({ pod }, { node }) {
    return matchesNodeAffinity(pod, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"];
  },
  function nodePorts({ ports }, { pods }) {
    if (ports.length === 0) return [];
    for (const other of pods.values()) {
      for (const taken of hostPorts(other)) {
        const clash = ports.some(
          ({ ip, protocol, port }) =>
            port === taken.port &&
            protocol === taken.protocol &&
            (ip === taken.ip || ip === '0.0.0.0' || taken.ip === '0.0.0.0'),
        );
        if (clash) return ["node(s) didn't have free ports for the requested pod ports"];
      }
    }
    return [];
  },
  function resourcesFit({ requests }, { allocatable, requested, pods }) {
    const reasons: string[] = [];
    if (pods.size + 1 > (allocatable.get('pods') ?? 0)) reasons.push('Too many pods');
    for (const [name, amount] of requests) {
      if (amount > 0 && amount > (allocatable.get(name) ?? 0) - (requested.get(name) ?? 0))
        reasons.push(`Insufficient ${name}`);
    }
    return reasons;
  },
];

/** The first filter that refuses decides, as upstream. */
export function reasonsAgainst(view: PodView, state: NodeState): readonly string[] {
  for (const filter of filters) {
    const reasons = filter(view, state);
    if (reasons.length > 0) return reasons;
  }
  return [];
}
