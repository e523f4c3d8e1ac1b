import type { Node } from '../../api/kubernetes/core-v1.ts';
import { validateNode, validateNodeUpdate } from '../../api/validation/node.ts';
import { typedStrategy } from './typed-strategy.ts';

/** Nodes: a kubelet registers with its status, which the resource itself does not change afterwards. */
export const nodeStrategy = typedStrategy<Node>({
  separateStatus: false,
  prepareForUpdate(node, old, { subresource }) {
    if (subresource !== '') return;
    if (old.status) node.status = old.status;
    else delete node.status;
  },
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
});
