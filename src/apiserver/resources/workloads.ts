import { isDeepStrictEqual } from 'node:util';
import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../api/kubernetes/apps-v1.ts';
import type { ReplicationController } from '../../api/kubernetes/core-v1.ts';
import { podSpecWarnings } from '../../api/validation/pod/warnings.ts';
import {
  validateDaemonSet,
  validateDeployment,
  validateImmutableSelector,
  validateReplicaSet,
  validateReplicationController,
  validateStatefulSet,
  validateStatefulSetUpdate,
} from '../../api/validation/workloads.ts';
import { typedStrategy } from './typed-strategy.ts';

export const deploymentStrategy = typedStrategy<Deployment>({
  /** A Deployment's annotations go to its ReplicaSets, so that they count as a change. */
  prepareForUpdate({ metadata }, old, { subresource }) {
    if (subresource !== '' || !metadata) return;
    if (isDeepStrictEqual(metadata.annotations ?? {}, old.metadata?.annotations ?? {})) return;
    metadata.generation = (old.metadata?.generation ?? 0) + 1;
  },
  validate: validateDeployment,
  validateUpdate: (deployment, old, { subresource }) =>
    subresource === 'status'
      ? []
      : [
          ...validateDeployment(deployment),
          ...validateImmutableSelector(deployment.spec?.selector, old.spec?.selector),
        ],
  warnings: ({ spec }, _old, { subresource }) => templateWarnings(spec, subresource),
});

export const replicaSetStrategy = typedStrategy<ReplicaSet>({
  validate: validateReplicaSet,
  validateUpdate: (set, old, { subresource }) =>
    subresource === 'status'
      ? []
      : [...validateReplicaSet(set), ...validateImmutableSelector(set.spec?.selector, old.spec?.selector)],
  warnings: ({ spec }, _old, { subresource }) => templateWarnings(spec, subresource),
});

export const replicationControllerStrategy = typedStrategy<ReplicationController>({
  validate: validateReplicationController,
  validateUpdate: (controller, _old, { subresource }) =>
    subresource === 'status' ? [] : validateReplicationController(controller),
  warnings: ({ spec }, _old, { subresource }) => templateWarnings(spec, subresource),
});

export const statefulSetStrategy = typedStrategy<StatefulSet>({
  validate: validateStatefulSet,
  validateUpdate: (set, old, { subresource }) => (subresource === 'status' ? [] : validateStatefulSetUpdate(set, old)),
  warnings: ({ spec }, _old, { subresource }) => templateWarnings(spec, subresource),
});

const templateGeneration = 'deprecated.daemonset.template.generation';

export const daemonSetStrategy = typedStrategy<DaemonSet>({
  prepareForCreate(set) {
    setTemplateGeneration(set, 1);
  },
  prepareForUpdate(set, old, { subresource }) {
    if (subresource !== '') return;
    const before = Number(old.metadata?.annotations?.[templateGeneration] ?? 0);
    const changed = !isDeepStrictEqual(set.spec?.template, old.spec?.template);
    setTemplateGeneration(set, before + (changed ? 1 : 0));
  },
  validate: validateDaemonSet,
  validateUpdate: (set, old, { subresource }) =>
    subresource === 'status'
      ? []
      : [...validateImmutableSelector(set.spec?.selector, old.spec?.selector), ...validateDaemonSet(set)],
  warnings: ({ spec }, _old, { subresource }) => templateWarnings(spec, subresource),
});

function setTemplateGeneration(set: DaemonSet, generation: number): void {
  set.metadata ??= {};
  set.metadata.annotations = { ...set.metadata.annotations, [templateGeneration]: String(generation) };
}

type Templated = { template?: { spec?: Parameters<typeof podSpecWarnings>[0] } } | undefined;

function templateWarnings(spec: Templated, subresource: string): string[] {
  return subresource === '' ? podSpecWarnings(spec?.template?.spec, 'spec.template.') : [];
}
