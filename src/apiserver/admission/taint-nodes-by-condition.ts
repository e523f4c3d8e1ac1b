import type { Node } from '../../api/kubernetes/core-v1.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';
import { newObject, resourceKey } from './typed-object.ts';

const notReady = 'node.kubernetes.io/not-ready';

/** Keeps pods off a new node until the node lifecycle controller has seen it ready. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  admit(attributes: AdmissionAttributes): void {
    const { operation, subresource } = attributes;
    if (operation !== 'CREATE' || subresource !== '' || resourceKey(attributes) !== 'nodes') return;
    const node = newObject<Node>(attributes);
    const taints = node.spec?.taints ?? [];
    if (taints.some(({ key, effect }) => key === notReady && effect === 'NoSchedule')) return;
    node.spec = { ...node.spec, taints: [...taints, { key: notReady, effect: 'NoSchedule' }] };
  },
};
