import type { Container, Pod, Volume } from '../../api/kubernetes/core-v1.ts';

export type ReferencedResource =
  | 'secrets'
  | 'configmaps'
  | 'persistentvolumeclaims'
  | 'serviceaccounts'
  | 'resourceclaims';

export const mirrorPodAnnotation = 'kubernetes.io/config.mirror';

/** A pod that a kubelet runs from a file of its own and only shows to the API. */
export function isMirrorPod({ metadata }: Pod): boolean {
  return metadata?.annotations?.[mirrorPodAnnotation] !== undefined;
}

/**
 * Calls `visit` with everything in the pod's namespace that its kubelet must read to run it. A name may come more than once.
 * Source: kubernetes `pkg/api/v1/pod/util.go`, `VisitPodSecretNames`.
 */
export function visitPodReferences(pod: Pod, visit: (resource: ReferencedResource, name: string) => void): void {
  const { spec, status, metadata } = pod;
  const named = (resource: ReferencedResource, name: string | undefined) => {
    if (name) visit(resource, name);
  };
  named('serviceaccounts', spec?.serviceAccountName);
  for (const { name } of spec?.imagePullSecrets ?? []) named('secrets', name);
  for (const container of allContainers(pod)) visitContainer(container, named);
  for (const volume of spec?.volumes ?? []) visitVolume(volume, metadata?.name ?? '', named);
  for (const { resourceClaimName } of spec?.resourceClaims ?? []) named('resourceclaims', resourceClaimName);
  for (const { resourceClaimName } of status?.resourceClaimStatuses ?? []) named('resourceclaims', resourceClaimName);
  named('resourceclaims', status?.extendedResourceClaimStatus?.resourceClaimName);
}

/** Init, regular and ephemeral containers: whoever walks a pod for policy must not leave one kind out. */
export function allContainers({ spec }: Pod): Array<Pick<Container, 'env' | 'envFrom' | 'volumeMounts' | 'name'>> {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])];
}

type Named = (resource: ReferencedResource, name: string | undefined) => void;

function visitContainer({ env = [], envFrom = [] }: Pick<Container, 'env' | 'envFrom'>, named: Named): void {
  for (const { valueFrom } of env) {
    named('secrets', valueFrom?.secretKeyRef?.name);
    named('configmaps', valueFrom?.configMapKeyRef?.name);
  }
  for (const { secretRef, configMapRef } of envFrom) {
    named('secrets', secretRef?.name);
    named('configmaps', configMapRef?.name);
  }
}

function visitVolume(volume: Volume, podName: string, named: Named): void {
  named('secrets', volume.secret?.secretName);
  named('secrets', volume.azureFile?.secretName);
  named('secrets', volume.cephfs?.secretRef?.name);
  named('secrets', volume.cinder?.secretRef?.name);
  named('secrets', volume.flexVolume?.secretRef?.name);
  named('secrets', volume.rbd?.secretRef?.name);
  named('secrets', volume.scaleIO?.secretRef?.name);
  named('secrets', volume.iscsi?.secretRef?.name);
  named('secrets', volume.storageos?.secretRef?.name);
  named('secrets', volume.csi?.nodePublishSecretRef?.name);
  named('configmaps', volume.configMap?.name);
  named('persistentvolumeclaims', volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral) named('persistentvolumeclaims', `${podName}-${volume.name}`);
  for (const { secret, configMap } of volume.projected?.sources ?? []) {
    named('secrets', secret?.name);
    named('configmaps', configMap?.name);
  }
}
