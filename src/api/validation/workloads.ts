import { isDeepStrictEqual } from 'node:util';
import { type FieldError, forbiddenField, invalid, notSupported, required } from '../field-error.ts';
import type { DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../kubernetes/apps-v1.ts';
import type { PodTemplateSpec, ReplicationController } from '../kubernetes/core-v1.ts';
import type { LabelSelector } from '../kubernetes/meta-v1.ts';
import { selectorFromObject } from '../selectors.ts';
import { isZero, validateIntOrPercent, validateNotMoreThanAll } from './int-or-percent.ts';
import { isEmptySelector, validateLabelSelector } from './labels.ts';
import { dns1123LabelErrors } from './names.ts';
import { validateNonNegative } from './numbers.ts';
import { validateKeepsRunning, validatePodTemplate } from './pod/pod-template.ts';

export function validateDeployment({ spec }: Readonly<Deployment>): FieldError[] {
  const {
    replicas,
    selector,
    template,
    strategy = {},
    minReadySeconds = 0,
    revisionHistoryLimit,
    progressDeadlineSeconds,
  } = spec ?? ({} as Partial<NonNullable<Deployment['spec']>>);
  const errors = [
    ...validateNonNegative(replicas, 'spec.replicas'),
    ...validateSelector(selector, 'deployment'),
    ...validateTemplateOf(selector, template, 'ReplicaSet'),
    ...validateStrategy(strategy),
    ...validateNonNegative(minReadySeconds, 'spec.minReadySeconds'),
    ...validateNonNegative(revisionHistoryLimit, 'spec.revisionHistoryLimit'),
    ...validateNonNegative(progressDeadlineSeconds, 'spec.progressDeadlineSeconds'),
  ];
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    errors.push(
      invalid('spec.progressDeadlineSeconds', progressDeadlineSeconds, 'must be greater than minReadySeconds'),
    );
  }
  return errors;
}

function validateStrategy({
  type = '',
  rollingUpdate,
}: NonNullable<NonNullable<Deployment['spec']>['strategy']>): FieldError[] {
  const path = 'spec.strategy';
  if (type === 'Recreate') {
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    return rollingUpdate ? [forbiddenField(`${path}.rollingUpdate`, detail)] : [];
  }
  if (type !== 'RollingUpdate') {
    const strategy = { Type: type, RollingUpdate: rollingUpdate ?? null };
    return [notSupported(path, strategy, ['Recreate', 'RollingUpdate'])];
  }
  if (!rollingUpdate) return [required(`${path}.rollingUpdate`, 'this should be defaulted and never be nil')];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const at = `${path}.rollingUpdate.maxUnavailable`;
  const errors = [
    ...validateIntOrPercent(maxUnavailable, at),
    ...validateIntOrPercent(maxSurge, `${path}.rollingUpdate.maxSurge`),
  ];
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.push(invalid(at, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  return [...errors, ...validateNotMoreThanAll(maxUnavailable, at)];
}

export function validateReplicaSet({ spec }: Readonly<ReplicaSet>): FieldError[] {
  return [
    ...validateNonNegative(spec?.replicas, 'spec.replicas'),
    ...validateNonNegative(spec?.minReadySeconds, 'spec.minReadySeconds'),
    ...validateSelector(spec?.selector, 'deployment'),
    ...validateTemplateOf(spec?.selector, spec?.template, 'ReplicaSet'),
  ];
}

export function validateReplicationController({ spec = {} }: Readonly<ReplicationController>): FieldError[] {
  const errors = validateNonNegative(spec.minReadySeconds, 'spec.minReadySeconds');
  const { selector = {}, replicas, template } = spec;
  if (Object.keys(selector).length === 0) errors.push(required('spec.selector'));
  if (replicas === undefined) errors.push(required('spec.replicas'));
  errors.push(...validateNonNegative(replicas, 'spec.replicas'));
  if (!template) return [...errors, required('spec.template')];
  return [...errors, ...validateTemplateOf({ matchLabels: selector }, template, 'ReplicationController')];
}

export function validateStatefulSet({ spec }: Readonly<StatefulSet>): FieldError[] {
  const {
    podManagementPolicy = '',
    updateStrategy = {},
    ordinals,
    selector,
    template,
    serviceName,
  } = spec ?? ({} as Partial<NonNullable<StatefulSet['spec']>>);
  const errors: FieldError[] = [];
  const managed = "must be 'OrderedReady' or 'Parallel'";
  if (podManagementPolicy === '') errors.push(required('spec.podManagementPolicy'));
  else if (!['OrderedReady', 'Parallel'].includes(podManagementPolicy)) {
    errors.push(invalid('spec.podManagementPolicy', podManagementPolicy, managed));
  }
  errors.push(...validateStatefulUpdates(updateStrategy));
  const retention = spec?.persistentVolumeClaimRetentionPolicy;
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const policy = retention?.[field];
    if (retention && policy !== 'Retain' && policy !== 'Delete') {
      const at = `spec.persistentVolumeClaimRetentionPolicy.${field}`;
      errors.push(notSupported(at, policy ?? '', ['Retain', 'Delete']));
    }
  }
  errors.push(...validateNonNegative(spec?.replicas, 'spec.replicas'));
  errors.push(...validateNonNegative(spec?.minReadySeconds, 'spec.minReadySeconds'));
  errors.push(...validateNonNegative(ordinals?.start, 'spec.ordinals.start'));
  if (serviceName) {
    for (const text of dns1123LabelErrors(serviceName)) errors.push(invalid('spec.serviceName', serviceName, text));
  }
  errors.push(...validateSelector(selector, 'statefulset'));
  const withClaims = addClaims(template, spec?.volumeClaimTemplates ?? []);
  return [...errors, ...validateTemplateOf(selector, withClaims, 'StatefulSet')];
}

/** Claims become volumes of the pods, which mounts may name. */
function addClaims(template: PodTemplateSpec | undefined, claims: readonly { metadata?: { name?: string } }[]) {
  if (!template?.spec || claims.length === 0) return template;
  const names = claims.map(({ metadata }) => metadata?.name ?? '');
  const volumes = (template.spec.volumes ?? []).filter(({ name }) => !names.includes(name));
  const added = names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { ...template.spec, volumes: [...volumes, ...added] } };
}

function validateStatefulUpdates({
  type = '',
  rollingUpdate,
}: NonNullable<NonNullable<StatefulSet['spec']>['updateStrategy']>): FieldError[] {
  const path = 'spec.updateStrategy';
  if (type === '') return [required(path)];
  if (type === 'OnDelete') {
    const detail = "only allowed for updateStrategy 'RollingUpdate'";
    const { partition = 0, maxUnavailable = null } = rollingUpdate ?? {};
    const shownUpdate = { Partition: partition, MaxUnavailable: maxUnavailable };
    return rollingUpdate ? [invalid(`${path}.rollingUpdate`, shownUpdate, detail)] : [];
  }
  if (type !== 'RollingUpdate') {
    return [
      invalid(path, { Type: type, RollingUpdate: rollingUpdate ?? null }, "must be 'RollingUpdate' or 'OnDelete'"),
    ];
  }
  const errors = validateNonNegative(rollingUpdate?.partition, `${path}.rollingUpdate.partition`);
  const max = rollingUpdate?.maxUnavailable;
  if (max === undefined) return errors;
  const at = `${path}.rollingUpdate.maxUnavailable`;
  errors.push(...validateIntOrPercent(max, at));
  if (isZero(max)) errors.push(invalid(at, max, 'cannot be 0'));
  return [...errors, ...validateNotMoreThanAll(max, at)];
}

const statefulFields = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

export function validateStatefulSetUpdate(now: Readonly<StatefulSet>, old: Readonly<StatefulSet>): FieldError[] {
  const fixed = (set: Readonly<StatefulSet>) =>
    Object.fromEntries(
      Object.entries(set.spec ?? {}).filter(([field]) => !(statefulFields as readonly string[]).includes(field)),
    );
  const errors = validateStatefulSet(now);
  if (isDeepStrictEqual(fixed(now), fixed(old))) return errors;
  const names = statefulFields.map((field) => `'${field}'`);
  const list = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
  return [...errors, forbiddenField('spec', `updates to statefulset spec for fields other than ${list} are forbidden`)];
}

export function validateDaemonSet({ spec }: Readonly<DaemonSet>): FieldError[] {
  const {
    selector,
    template,
    updateStrategy = {},
    minReadySeconds,
    revisionHistoryLimit,
  } = spec ?? ({} as Partial<NonNullable<DaemonSet['spec']>>);
  const errors = validateLabelSelector(selector, 'spec.selector');
  const own = template?.metadata?.labels;
  if (!selectorFromObject(selector).matches(own ?? {})) {
    errors.push(invalid('spec.template.metadata.labels', own ?? null, '`selector` does not match template `labels`'));
  }
  if (selector && isEmptySelector(selector)) {
    errors.push(invalid('spec.selector', selector, 'empty selector is invalid for daemonset'));
  }
  return [
    ...errors,
    ...validatePodTemplate(template, 'spec.template'),
    ...validateKeepsRunning(template, 'spec.template', 'DaemonSet'),
    ...validateNonNegative(minReadySeconds, 'spec.minReadySeconds'),
    ...validateDaemonUpdates(updateStrategy),
    ...validateNonNegative(revisionHistoryLimit, 'spec.revisionHistoryLimit'),
  ];
}

function validateDaemonUpdates({
  type = '',
  rollingUpdate,
}: NonNullable<NonNullable<DaemonSet['spec']>['updateStrategy']>): FieldError[] {
  const path = 'spec.updateStrategy';
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate') {
    const strategy = { Type: type, RollingUpdate: rollingUpdate ?? null };
    return [notSupported(path, strategy, ['RollingUpdate', 'OnDelete'])];
  }
  if (!rollingUpdate) return [required(`${path}.rollingUpdate`)];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const at = `${path}.rollingUpdate`;
  const errors = [
    ...validateIntOrPercent(maxUnavailable, `${at}.maxUnavailable`),
    ...validateNotMoreThanAll(maxUnavailable, `${at}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${at}.maxSurge`),
    ...validateNotMoreThanAll(maxSurge, `${at}.maxSurge`),
  ];
  if (!isZero(maxUnavailable) && !isZero(maxSurge)) {
    errors.push(invalid(`${at}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  } else if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.push(required(`${at}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  }
  return errors;
}

export function validateImmutableSelector(
  now: LabelSelector | undefined,
  old: LabelSelector | undefined,
): FieldError[] {
  return isDeepStrictEqual(now, old) ? [] : [invalid('spec.selector', now ?? null, 'field is immutable')];
}

function validateSelector(selector: LabelSelector | undefined, kind: string): FieldError[] {
  if (!selector) return [required('spec.selector')];
  const errors = validateLabelSelector(selector, 'spec.selector');
  if (isEmptySelector(selector)) {
    errors.push(invalid('spec.selector', selector, `empty selector is invalid for ${kind}`));
  }
  const detail = kind === 'statefulset' ? '' : 'invalid label selector';
  if (!isReadable(selector)) errors.push(invalid('spec.selector', selector, detail));
  return errors;
}

/** Its operators can be understood; keys and values are complained of one by one. */
function isReadable(selector: LabelSelector | undefined): boolean {
  return validateLabelSelector(selector, '').length === 0;
}

function validateTemplateOf(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const own = template?.metadata?.labels;
  // A template is looked at only where its selector can be; no selector matches nothing.
  if (!isReadable(selector)) return errors;
  if (!selectorFromObject(selector).matches(own ?? {})) {
    errors.push(invalid('spec.template.metadata.labels', own ?? null, '`selector` does not match template `labels`'));
  }
  return [
    ...errors,
    ...validatePodTemplate(template, 'spec.template'),
    ...validateKeepsRunning(template, 'spec.template', kind),
  ];
}
