import type { Pod, Toleration } from '../../api/kubernetes/core-v1.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { newObject, resourceKey } from './typed-object.ts';

const taints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
/** How long a pod stays on a node that is gone, where it does not say so itself. */
const tolerationSeconds = 300;

/** Lets pods survive a short absence of their node. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  admit(attributes: AdmissionAttributes): void {
    const { operation, subresource } = attributes;
    if (subresource !== '' || resourceKey(attributes) !== 'pods') return;
    if (operation !== 'CREATE' && operation !== 'UPDATE') return;
    const pod = newObject<Pod>(attributes);
    const tolerations = pod.spec?.tolerations ?? [];
    const missing = taints.filter((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)));
    if (pod.spec === undefined || missing.length === 0) return;
    const added = missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }));
    pod.spec.tolerations = [...tolerations, ...added];
  },
};

function tolerates({ key, effect }: Toleration, taint: string): boolean {
  return (!key || key === taint) && (!effect || effect === 'NoExecute');
}
