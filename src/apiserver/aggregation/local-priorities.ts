/** `groupPriorityMinimum` of built-in groups. Source: kubernetes `pkg/controlplane/apiserver/aggregator.go` and `pkg/controlplane/instance.go`. */
const groupPriorities: Readonly<Record<string, number>> = {
  '': 18_000,
  'apiregistration.k8s.io': 18_000,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'storagemigration.k8s.io': 16_800,
  'apiextensions.k8s.io': 16_700,
  'admissionregistration.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'resource.k8s.io': 16_200,
  'discovery.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'internal.apiserver.k8s.io': 16_000,
};

/** Where upstream's differs from what the stage of the version gives. */
const versionPriorities: Readonly<Record<string, number>> = {
  '/v1': 1,
  'autoscaling/v2': 30,
  'flowcontrol.apiserver.k8s.io/v1': 21,
  'resource.k8s.io/v1': 21,
  'internal.apiserver.k8s.io/v1alpha1': 9,
  'coordination.k8s.io/v1beta1': 13,
  'coordination.k8s.io/v1alpha2': 12,
  'admissionregistration.k8s.io/v1beta1': 12,
  'admissionregistration.k8s.io/v1alpha1': 9,
};

export interface Priority {
  readonly groupPriorityMinimum: number;
  readonly versionPriority: number;
}

/** The place of a built-in group-version among all. */
export function localPriority(group: string, version: string): Priority {
  const byStage = version.includes('alpha') ? 1 : version.includes('beta') ? 9 : 15;
  return {
    groupPriorityMinimum: groupPriorities[group] ?? 16_000,
    versionPriority: versionPriorities[`${group}/${version}`] ?? byStage,
  };
}
