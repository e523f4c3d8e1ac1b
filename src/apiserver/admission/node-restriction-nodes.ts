import { isDeepStrictEqual } from 'node:util';
import type { Node } from '../../api/kubernetes/core-v1.ts';
import { nodeRouteLabel } from '../../api/node-route.ts';
import type { AdmissionAttributes } from './admission.ts';
import { deny } from './deny.ts';
import { newObject, storedObject } from './typed-object.ts';

type Labels = Readonly<Record<string, string>>;

/** Keys in Kubernetes' own domains that a kubelet may set. */
const kubeletLabels = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
]);

/** A kubelet writes only its own Node, and cannot choose what decides where pods and trust go: taints, owners, protected labels. */
export function restrictNode(attributes: AdmissionAttributes, node: string): void {
  const { operation } = attributes;
  const name = attributes.name || (operation === 'CREATE' ? newObject<Node>(attributes).metadata?.name : undefined);
  if (name !== node) throw deny(attributes, `node "${node}" is not allowed to modify node "${name ?? ''}"`);
  if (operation === 'CREATE') restrictNew(attributes, node);
  if (operation === 'UPDATE') restrictChange(attributes, node);
}

function restrictNew(attributes: AdmissionAttributes, node: string): void {
  const { metadata, spec } = newObject<Node>(attributes);
  if (spec?.configSource) throw deny(attributes, `node "${node}" is not allowed to create with a non-nil configSource`);
  // Deleting the owner would make the garbage collector delete the Node, which could then register anew without its taints.
  if (metadata?.ownerReferences?.length) {
    throw deny(attributes, `node "${node}" is not allowed to set ownerReferences`);
  }
  const refused = Object.keys(metadata?.labels ?? {}).filter(isProtected);
  if (refused.length === 0) return;
  throw deny(attributes, `node "${node}" is not allowed to set the following labels: ${refused.sort().join(', ')}`);
}

function restrictChange(attributes: AdmissionAttributes, node: string): void {
  const changed = newObject<Node>(attributes);
  const stored = storedObject<Node>(attributes);
  const { configSource } = changed.spec ?? {};
  if (configSource && !isDeepStrictEqual(configSource, stored.spec?.configSource)) {
    throw deny(attributes, `node "${node}" cannot update configSource to a new non-nil configSource`);
  }
  if (!isDeepStrictEqual(changed.spec?.taints ?? [], stored.spec?.taints ?? [])) {
    throw deny(attributes, `node "${node}" is not allowed to modify taints`);
  }
  if (!isDeepStrictEqual(changed.metadata?.ownerReferences ?? [], stored.metadata?.ownerReferences ?? [])) {
    throw deny(attributes, `node "${node}" is not allowed to modify ownerReferences`);
  }
  const before = stored.metadata?.labels ?? {};
  const refused = changedKeys(changed.metadata?.labels ?? {}, before).filter(
    // The route is recorded when a node joins: it does not choose anew how it is reached.
    (key) => isProtected(key) || (key === nodeRouteLabel && before[key] !== undefined),
  );
  if (refused.length === 0) return;
  throw deny(attributes, `is not allowed to modify labels: ${refused.sort().join(', ')}`);
}

/** Keys that were added, removed or given another value. */
function changedKeys(changed: Labels, stored: Labels): string[] {
  const keys = new Set([...Object.keys(changed), ...Object.keys(stored)]);
  return [...keys].filter((key) => changed[key] !== stored[key]);
}

/** Labels that only the cluster's operator sets: schedulers and policies may trust them. */
function isProtected(key: string): boolean {
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  const within = (parent: string) => domain === parent || domain.endsWith(`.${parent}`);
  if (within('node-restriction.kubernetes.io')) return true;
  if (!within('kubernetes.io') && !within('k8s.io')) return false;
  return !kubeletLabels.has(key) && !within('kubelet.kubernetes.io') && !within('node.kubernetes.io');
}
