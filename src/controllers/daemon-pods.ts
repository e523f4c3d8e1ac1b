import type { DaemonSet } from '../api/kubernetes/apps-v1.ts';
import type { Pod, Toleration } from '../api/kubernetes/core-v1.ts';
import { daemonSets } from '../client/resources.ts';
import { controllerReference } from './owner-references.ts';
import { podFromTemplate } from './pod-state.ts';

export const revisionHashLabel = 'controller-revision-hash';

/** Taints under `node.kubernetes.io/` that do not keep a daemon away. */
const tolerated = [
  'not-ready:NoExecute',
  'unreachable:NoExecute',
  'disk-pressure:NoSchedule',
  'memory-pressure:NoSchedule',
  'pid-pressure:NoSchedule',
  'unschedulable:NoSchedule',
];

/** The node a daemon pod is meant for, before and after it has been bound. */
export function targetNode({ spec }: Pod): string {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const field = terms[0]?.matchFields?.find(({ key }) => key === 'metadata.name');
  return spec?.nodeName ?? field?.values?.[0] ?? '';
}

/** Tolerations of every daemon pod. */
export function daemonTolerations({ spec }: DaemonSet): Toleration[] {
  const names = spec?.template.spec?.hostNetwork ? [...tolerated, 'network-unavailable:NoSchedule'] : tolerated;
  return names.map((text) => {
    const [key = '', effect = ''] = text.split(':');
    return { key: `node.kubernetes.io/${key}`, operator: 'Exists', effect };
  });
}

/** The pod of the set for one node. */
export function daemonPod(set: DaemonSet, node: string, hash: string): Pod {
  const { name = '', namespace = '' } = set.metadata ?? {};
  const pod = podFromTemplate(set.spec?.template ?? {}, {
    namespace,
    generateName: `${name}-`,
    owner: controllerReference(daemonSets, set),
  });
  if (!pod.spec) return pod;
  const { affinity, tolerations = [] } = pod.spec;
  // The scheduler places it: by a field, so that it goes to this node and to no other.
  const nodeSelectorTerms = [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }];
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: { ...pod.metadata?.labels, [revisionHashLabel]: hash } },
    spec: {
      ...pod.spec,
      affinity: {
        ...affinity,
        nodeAffinity: {
          ...affinity?.nodeAffinity,
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
        },
      },
      tolerations: [...tolerations, ...daemonTolerations(set)],
    },
  };
}
