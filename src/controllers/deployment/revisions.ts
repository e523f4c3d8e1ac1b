import type { Deployment, ReplicaSet } from '../../api/kubernetes/apps-v1.ts';
import { hashLabel, sameTemplate } from './template-hash.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
export const revisionHistoryAnnotation = 'deployment.kubernetes.io/revision-history';

/** Annotations of the deployment that its sets do not get. */
const ownAnnotations: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  revisionHistoryAnnotation,
  'deployment.kubernetes.io/desired-replicas',
  'deployment.kubernetes.io/max-replicas',
  'deprecated.deployment.rollback.to',
]);

export function revisionOf({ metadata }: ReplicaSet): number {
  return Number(metadata?.annotations?.[revisionAnnotation]) || 0;
}

/** The set that has the deployment's present template; the oldest of several. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const age = ({ metadata }: ReplicaSet) => Date.parse(metadata?.creationTimestamp ?? '') || 0;
  return sets
    .filter(({ spec }) => sameTemplate(spec?.template, deployment.spec?.template))
    .toSorted((a, b) => age(a) - age(b))[0];
}

/** The annotations of the new set: the deployment's, its revision, and which revisions it had before. */
export function newSetAnnotations(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): Record<string, string> {
  const annotations: Record<string, string> = { ...newSet?.metadata?.annotations };
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) {
    if (!ownAnnotations.has(key)) annotations[key] = value;
  }
  const revision = Math.max(0, ...oldSets.map(revisionOf)) + 1;
  const present = newSet ? revisionOf(newSet) : 0;
  if (present >= revision) return annotations;
  if (present > 0) {
    const history = (annotations[revisionHistoryAnnotation] ?? '').split(',').filter((text) => text !== '');
    annotations[revisionHistoryAnnotation] = [...history, String(present)].slice(-20).join(',');
  }
  annotations[revisionAnnotation] = String(revision);
  return annotations;
}

/** Old sets without pods beyond the history limit, oldest first. */
export function surplusSets({ spec }: Deployment, oldSets: readonly ReplicaSet[]): ReplicaSet[] {
  const idle = oldSets.filter(
    ({ metadata, spec: own, status }) =>
      own?.replicas === 0 &&
      !status?.replicas &&
      !metadata?.deletionTimestamp &&
      (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0),
  );
  const surplus = idle.length - (spec?.revisionHistoryLimit ?? 10);
  return surplus <= 0 ? [] : idle.toSorted((a, b) => revisionOf(a) - revisionOf(b)).slice(0, surplus);
}

/** The set that a new template needs. */
export function buildNewSet(
  deployment: Deployment,
  { hash, annotations, replicas }: { hash: string; annotations: Record<string, string>; replicas: number },
): ReplicaSet {
  const { metadata, spec } = deployment;
  const template = spec?.template;
  const labels = { ...template?.metadata?.labels, [hashLabel]: hash };
  const selector = { ...spec?.selector, matchLabels: { ...spec?.selector?.matchLabels, [hashLabel]: hash } };
  return {
    metadata: {
      name: `${metadata?.name}-${hash}`,
      namespace: metadata?.namespace ?? '',
      labels,
      annotations,
    },
    spec: {
      replicas,
      ...(spec?.minReadySeconds !== undefined && { minReadySeconds: spec.minReadySeconds }),
      selector,
      template: { ...template, metadata: { ...template?.metadata, labels } },
    },
  };
}
