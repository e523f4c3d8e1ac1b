import { isDeepStrictEqual } from 'node:util';
import { notFound } from '../../api/errors.ts';
import type { Node, Pod, Volume } from '../../api/kubernetes/core-v1.ts';
import { isMirrorPod, mirrorPodAnnotation, visitPodReferences } from '../../auth/authorization/pod-references.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { AdmissionAttributes } from './admission.ts';
import { deny } from './deny.ts';
import type { LiveObjects } from './live-objects.ts';
import { newObject, storedObject } from './typed-object.ts';

interface Lookup {
  objects: ObjectSource;
  live: LiveObjects;
}

/** A kubelet creates only mirror pods of its own, and changes, deletes and evicts only pods bound to it. */
export function restrictPod(attributes: AdmissionAttributes, node: string, lookup: Lookup): void | Promise<void> {
  const { operation, subresource } = attributes;
  const what = subresource === '' ? operation : `${operation} ${subresource}`;
  switch (what) {
    case 'CREATE':
      return restrictNew(attributes, node, lookup);
    case 'DELETE':
      return requireBound(attributes, { node, pod: storedObject<Pod>(attributes), action: 'delete' });
    case 'UPDATE status':
      return restrictStatus(attributes, node);
    case 'CREATE eviction':
      return restrictEviction(attributes, node, lookup);
  }
  if (subresource === 'status' || subresource === 'eviction' || subresource === '') {
    throw deny(
      attributes,
      `unexpected operation "${operation}", node "${node}" can only create and delete mirror pods`,
    );
  }
  throw deny(attributes, `unexpected pod subresource "${subresource}", only 'status' and 'eviction' are allowed`);
}

function requireBound(
  attributes: AdmissionAttributes,
  { node, pod, action }: { node: string; pod: Pod; action: string },
): void {
  if (pod.spec?.nodeName === node) return;
  throw deny(attributes, `node "${node}" can only ${action} pods with spec.nodeName set to itself`);
}

async function restrictNew(attributes: AdmissionAttributes, node: string, lookup: Lookup): Promise<void> {
  const pod = newObject<Pod>(attributes);
  if (!isMirrorPod(pod)) {
    throw deny(
      attributes,
      `pod does not have "${mirrorPodAnnotation}" annotation, node "${node}" can only create mirror pods`,
    );
  }
  requireBound(attributes, { node, pod, action: 'create' });
  await requireNodeOwner(attributes, node, lookup);
  const refuse = (what: string) => deny(attributes, `node "${node}" can not create pods that reference ${what}`);
  if (pod.spec?.serviceAccountName) throw refuse('a service account');
  visitPodReferences(pod, (resource) => {
    throw refuse(resource);
  });
  if (pod.spec?.resourceClaims?.length) throw refuse('resourceclaims');
  for (const volume of pod.spec?.volumes ?? []) {
    const reason = apiReference(volume);
    if (reason !== undefined) throw refuse(reason);
  }
}

async function requireNodeOwner(
  attributes: AdmissionAttributes,
  node: string,
  { objects, live }: Lookup,
): Promise<void> {
  const { ownerReferences = [] } = newObject<Pod>(attributes).metadata ?? {};
  const [owner, ...others] = ownerReferences;
  if (owner === undefined || others.length > 0) {
    throw deny(attributes, `node "${node}" can only create pods with a single owner reference set to itself`);
  }
  if (owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    throw deny(attributes, `node "${node}" can only create pods with an owner reference set to itself`);
  }
  if (owner.controller !== true) {
    throw deny(attributes, `node "${node}" can only create pods with a controller owner reference set to itself`);
  }
  if (owner.blockOwnerDeletion === true) {
    throw deny(attributes, `node "${node}" must not set blockOwnerDeletion on an owner reference`);
  }
  const key = { namespace: '', name: node };
  const found = objects.get<Node>('nodes', key) ?? (await live.get<Node>('nodes', key));
  if (found === undefined) throw notFound({ group: '', resource: 'nodes' }, node);
  if (found.metadata?.uid === owner.uid) return;
  throw deny(attributes, `node "${node}" UID mismatch: expected ${owner.uid} got ${found.metadata?.uid ?? ''}`);
}

/** Volume kinds that need no object of the API. Anything that is not listed, or is new, is refused. */
const plainVolumes = new Set([
  'awsElasticBlockStore',
  'azureDisk',
  'cephfs',
  'cinder',
  'downwardAPI',
  'emptyDir',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'gitRepo',
  'glusterfs',
  'hostPath',
  'image',
  'iscsi',
  'nfs',
  'photonPersistentDisk',
  'portworxVolume',
  'projected',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
]);

/** Which object of the API the volume needs, `undefined` for none. Secrets and configmaps were looked for before. */
function apiReference(volume: Volume): string | undefined {
  const kinds = Object.keys(volume).filter((key) => key !== 'name');
  const unknown = kinds.find((kind) => !plainVolumes.has(kind));
  if (unknown !== undefined) return `${unknown} volumes`;
  for (const source of volume.projected?.sources ?? []) {
    const kind = Object.keys(source).find((key) => key !== 'downwardAPI');
    if (kind !== undefined) return `${kind} projections`;
  }
  return undefined;
}

function restrictStatus(attributes: AdmissionAttributes, node: string): void {
  const changed = newObject<Pod>(attributes);
  const stored = storedObject<Pod>(attributes);
  if (stored.spec?.nodeName !== node) {
    throw deny(attributes, `node "${node}" can only update pod status for pods with spec.nodeName set to itself`);
  }
  if (!isDeepStrictEqual(changed.metadata?.labels ?? {}, stored.metadata?.labels ?? {})) {
    throw deny(attributes, `node "${node}" cannot update labels through pod status`);
  }
  const { resourceClaimStatuses = [], extendedResourceClaimStatus } = changed.status ?? {};
  if (!isDeepStrictEqual(resourceClaimStatuses, stored.status?.resourceClaimStatuses ?? [])) {
    throw deny(attributes, `node "${node}" cannot update resource claim statuses`);
  }
  if (!isDeepStrictEqual(extendedResourceClaimStatus, stored.status?.extendedResourceClaimStatus)) {
    throw deny(attributes, `node "${node}" cannot update extended resource claim status`);
  }
}

async function restrictEviction(
  attributes: AdmissionAttributes,
  node: string,
  { objects, live }: Lookup,
): Promise<void> {
  const { namespace, name } = attributes;
  if (name === '') throw deny(attributes, 'could not determine pod from request data');
  const key = { namespace, name };
  const pod = objects.get<Pod>('pods', key) ?? (await live.get<Pod>('pods', key));
  if (pod === undefined) throw notFound({ group: '', resource: 'pods' }, name);
  requireBound(attributes, { node, pod, action: 'evict' });
}
