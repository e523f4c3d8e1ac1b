import type { ObjectMeta, OwnerReference } from '../api/kubernetes/meta-v1.ts';
import { formatApiVersion, type KubeObject } from '../api/object.ts';
import type { BuiltInResource } from '../client/resources.ts';

/** The reference that makes `owner` the managing controller. */
export function controllerReference({ group, version, kind }: BuiltInResource, owner: KubeObject): OwnerReference {
  return {
    apiVersion: formatApiVersion(group, version),
    kind,
    name: owner.metadata?.name ?? '',
    uid: owner.metadata?.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

export function controllerOf(object: { metadata?: ObjectMeta }): OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find(({ controller }) => controller);
}

/** For an informer's index: the uid of the managing controller, or nothing. */
export function controllerUids(object: { metadata?: ObjectMeta }): readonly string[] {
  const uid = controllerOf(object)?.uid;
  return uid === undefined ? [] : [uid];
}
