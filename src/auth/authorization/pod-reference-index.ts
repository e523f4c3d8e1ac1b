import type { PersistentVolume, Pod } from '../../api/kubernetes/core-v1.ts';
import type { ObjectSource } from '../object-source.ts';
import { isMirrorPod, type ReferencedResource, visitPodReferences } from './pod-references.ts';

/**
 * Which nodes run a pod that refers to an object: the paths object → pod → node, and secret → persistent volume → claim → pod → node.
 * Kept as a count for each object and node, so that a question is one or two look-ups and a change touches only its own pod.
 */
export class PodReferenceIndex implements Disposable {
  /** Key of the referenced object → node → how many references lead there. */
  readonly #nodesByObject = new Map<string, Map<string, number>>();
  /** `namespace/name` of a secret → names of the volumes that need it on the node. */
  readonly #volumesBySecret = new Map<string, Set<string>>();
  readonly #objects: ObjectSource;
  readonly #subscriptions: Disposable[];

  constructor(objects: ObjectSource) {
    this.#objects = objects;
    this.#subscriptions = [
      objects.subscribe<Pod>('pods', ({ before, after }) => {
        if (before && after && sameReferences(before, after)) return;
        if (before) this.#count(before, -1);
        if (after) this.#count(after, 1);
      }),
      objects.subscribe<PersistentVolume>('persistentvolumes', ({ before, after }) => {
        if (before) this.#linkVolume(before, 'remove');
        if (after) this.#linkVolume(after, 'add');
      }),
    ];
    for (const pod of objects.list<Pod>('pods')) this.#count(pod, 1);
    for (const volume of objects.list<PersistentVolume>('persistentvolumes')) this.#linkVolume(volume, 'add');
  }

  /** Whether a pod on `node` refers to the object, directly or, for a secret, through a volume. */
  leadsTo(node: string, object: { resource: ReferencedResource; namespace: string; name: string }): boolean {
    if (this.#nodesByObject.get(keyOf(object))?.has(node)) return true;
    if (object.resource !== 'secrets') return false;
    const volumes = this.#volumesBySecret.get(`${object.namespace}/${object.name}`);
    return volumes !== undefined && [...volumes].some((name) => this.volumeLeadsTo(node, name));
  }

  /** Whether a pod on `node` uses the claim that is bound to the persistent volume. */
  volumeLeadsTo(node: string, name: string): boolean {
    const volume = this.#objects.get<PersistentVolume>('persistentvolumes', { namespace: '', name });
    const claim = volume?.spec?.claimRef;
    if (!claim?.name || !claim.namespace) return false;
    return this.leadsTo(node, { resource: 'persistentvolumeclaims', namespace: claim.namespace, name: claim.name });
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #count(pod: Pod, by: 1 | -1): void {
    const node = pod.spec?.nodeName;
    // A mirror pod is written by the node itself: what it refers to proves nothing.
    if (!node || isMirrorPod(pod)) return;
    const namespace = pod.metadata?.namespace ?? '';
    visitPodReferences(pod, (resource, name) => {
      const key = keyOf({ resource, namespace, name });
      const nodes = this.#nodesByObject.get(key) ?? new Map<string, number>();
      const count = (nodes.get(node) ?? 0) + by;
      if (count > 0) nodes.set(node, count);
      else nodes.delete(node);
      if (nodes.size > 0) this.#nodesByObject.set(key, nodes);
      else this.#nodesByObject.delete(key);
    });
  }

  #linkVolume(volume: PersistentVolume, action: 'add' | 'remove'): void {
    const name = volume.metadata?.name ?? '';
    for (const secret of volumeSecrets(volume)) {
      const volumes = this.#volumesBySecret.get(secret) ?? new Set();
      if (action === 'add') volumes.add(name);
      else volumes.delete(name);
      if (volumes.size > 0) this.#volumesBySecret.set(secret, volumes);
      else this.#volumesBySecret.delete(secret);
    }
  }
}

/** Everything else that a pod refers to cannot change once it is bound. */
function sameReferences(before: Pod, after: Pod): boolean {
  return (
    before.metadata?.uid === after.metadata?.uid &&
    before.spec?.nodeName === after.spec?.nodeName &&
    isMirrorPod(before) === isMirrorPod(after) &&
    before.spec?.ephemeralContainers?.length === after.spec?.ephemeralContainers?.length &&
    JSON.stringify(before.status?.resourceClaimStatuses) === JSON.stringify(after.status?.resourceClaimStatuses) &&
    before.status?.extendedResourceClaimStatus?.resourceClaimName ===
      after.status?.extendedResourceClaimStatus?.resourceClaimName
  );
}

/** The secrets a kubelet needs to mount the volume, as `namespace/name`; those for the controller side are left out. */
function volumeSecrets({ spec }: PersistentVolume): string[] {
  if (!spec) return [];
  const home = spec.claimRef?.namespace ?? '';
  const { azureFile, csi } = spec;
  const references: Array<{ name?: string; namespace?: string } | undefined> = [
    azureFile && { name: azureFile.secretName, namespace: azureFile.secretNamespace ?? home },
    spec.cephfs?.secretRef,
    spec.cinder?.secretRef,
    spec.flexVolume?.secretRef,
    spec.rbd?.secretRef,
    spec.scaleIO?.secretRef,
    spec.iscsi?.secretRef,
    spec.storageos?.secretRef,
    csi?.nodePublishSecretRef,
    csi?.nodeStageSecretRef,
    csi?.nodeExpandSecretRef,
  ];
  return references.flatMap((reference) =>
    reference?.name ? [`${reference.namespace || home}/${reference.name}`] : [],
  );
}

function keyOf({ resource, namespace, name }: { resource: string; namespace: string; name: string }): string {
  return `${resource}/${namespace}/${name}`;
}
