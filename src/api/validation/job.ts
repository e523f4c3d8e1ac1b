import { isDeepStrictEqual } from 'node:util';
import { duplicate, type FieldError, invalid, notSupported, required, tooLong, tooMany } from '../field-error.ts';
import type { Job, JobSpec, PodFailurePolicyRule } from '../kubernetes/batch-v1.ts';
import { labelKeyErrors } from '../label-name.ts';
import { selectorFromObject } from '../selectors.ts';
import { validateLabelSelector } from './labels.ts';
import { dns1123LabelErrors } from './names.ts';
import { validateNonNegative } from './numbers.ts';
import { validatePodTemplate } from './pod/pod-template.ts';

const emptySpec: JobSpec = { template: {} };

export function validateJob({ metadata = {}, spec = emptySpec }: Readonly<Job>): FieldError[] {
  const errors: FieldError[] = [];
  const { name = '', uid = '' } = metadata;
  const path = 'spec.template';
  if (spec.manualSelector !== true && spec.selector) errors.push(...validateGeneratedSelector(spec, { name, uid }));
  errors.push(...validateJobSpec(spec, 'spec'));
  if (!spec.selector) errors.push(required('spec.selector'));
  else {
    const bad = validateLabelSelector(spec.selector, 'spec.selector');
    errors.push(...bad);
    const labels = spec.template.metadata?.labels;
    if (bad.length === 0 && !selectorFromObject(spec.selector).matches(labels ?? {})) {
      const detail = '`selector` does not match template `labels`';
      errors.push(invalid(`${path}.metadata.labels`, sorted(labels), detail));
    }
  }
  if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 0) {
    const hostname = `${name}-${(spec.completions ?? 0) - 1}`;
    if (dns1123LabelErrors(hostname).length > 0) {
      const detail = `will not able to create pod with invalid DNS label: ${hostname}`;
      errors.push(invalid('metadata.name', name, detail));
    }
  }
  return errors;
}

/** What a Job is made of stays; what steers how it runs may change. */
export function validateJobUpdate(
  { spec: now = emptySpec }: Readonly<Job>,
  { spec: old = emptySpec }: Readonly<Job>,
): FieldError[] {
  const errors = validateJobSpec(now, 'spec');
  const fixed = (field: keyof JobSpec) => {
    if (!isDeepStrictEqual(now[field], old[field])) {
      errors.push(invalid(`spec.${field}`, now[field] ?? null, 'field is immutable'));
    }
  };
  const elastic =
    now.completionMode === 'Indexed' && now.completions === now.parallelism && now.completions !== undefined;
  if (!elastic) fixed('completions');
  fixed('selector');
  if (!isDeepStrictEqual(schedulable(now, old), old.template)) {
    errors.push(invalid('spec.template', now.template, 'field is immutable'));
  }
  for (const field of [
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const) {
    fixed(field);
  }
  return errors;
}

/** The new template; where the Job has not begun, with what only places its pods as it was. */
function schedulable(now: JobSpec, old: JobSpec): JobSpec['template'] {
  if (old.suspend !== true || !now.template.spec || !old.template.spec) return now.template;
  const { affinity, nodeSelector, tolerations, schedulingGates } = old.template.spec;
  const { affinity: _a, nodeSelector: _n, tolerations: _t, schedulingGates: _s, ...rest } = now.template.spec;
  const placed = {
    ...(affinity && { affinity }),
    ...(nodeSelector && { nodeSelector }),
    ...(tolerations && { tolerations }),
    ...(schedulingGates && { schedulingGates }),
  };
  return { ...old.template, ...now.template, metadata: old.template.metadata ?? {}, spec: { ...rest, ...placed } };
}

function validateGeneratedSelector(
  { selector, template }: JobSpec,
  { name, uid }: { name: string; uid: string },
): FieldError[] {
  const labels = template.metadata?.labels ?? {};
  const errors: FieldError[] = [];
  for (const [key, value] of [
    ['controller-uid', uid],
    ['job-name', name],
    ['batch.kubernetes.io/controller-uid', uid],
    ['batch.kubernetes.io/job-name', name],
  ] as const) {
    const at = `spec.template.metadata.labels[${key}]`;
    const actual = labels[key];
    if (actual === undefined) errors.push(required(at, `must be '${value}'`));
    else if (actual !== value) errors.push(invalid(at, labels, `must be '${value}'`));
  }
  const generated = { 'controller-uid': uid, 'batch.kubernetes.io/controller-uid': uid };
  if (!selectorFromObject(selector).matches({ ...generated, 'job-name': name, 'batch.kubernetes.io/job-name': name })) {
    const shown = { ...selector, ...(selector?.matchLabels && { matchLabels: sorted(selector.matchLabels) }) };
    errors.push(invalid('spec.selector', shown, '`selector` not auto-generated'));
  }
  return errors;
}

/** Also of the template in a CronJob. */
export function validateJobSpec(spec: Readonly<JobSpec>, path: string): FieldError[] {
  const { completionMode, completions, parallelism, maxFailedIndexes, backoffLimitPerIndex, managedBy } = spec;
  const errors: FieldError[] = [];
  for (const field of [
    'parallelism',
    'completions',
    'activeDeadlineSeconds',
    'backoffLimit',
    'ttlSecondsAfterFinished',
    'backoffLimitPerIndex',
    'maxFailedIndexes',
  ] as const) {
    errors.push(...validateNonNegative(spec[field], `${path}.${field}`));
  }
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined) {
    errors.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  }
  if (managedBy !== undefined) {
    const at = `${path}.managedBy`;
    const qualified = /^[^/]+\/[^/]+$/.test(managedBy) && labelKeyErrors(managedBy).length === 0;
    if (!qualified) errors.push(invalid(at, managedBy, 'must be a domain-prefixed path (such as "acme.io/foo")'));
    if (managedBy.length > 63) errors.push(tooLong(at, 63));
  }
  if (completionMode !== undefined && !['NonIndexed', 'Indexed'].includes(completionMode)) {
    errors.push(notSupported(`${path}.completionMode`, completionMode, ['NonIndexed', 'Indexed']));
  }
  if (completionMode === 'Indexed') {
    if (completions === undefined) errors.push(required(`${path}.completions`, 'when completion mode is Indexed'));
    if ((parallelism ?? 0) > 100_000) {
      const detail = 'must be less than or equal to 100000 when completion mode is Indexed';
      errors.push(invalid(`${path}.parallelism`, parallelism, detail));
    }
    if (completions !== undefined && (maxFailedIndexes ?? 0) > completions) {
      errors.push(invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to completions'));
    }
  } else {
    for (const field of ['backoffLimitPerIndex', 'maxFailedIndexes', 'successPolicy'] as const) {
      if (spec[field] !== undefined)
        errors.push(invalid(`${path}.${field}`, spec[field], 'requires indexed completion mode'));
    }
  }
  errors.push(...validateFailurePolicy(spec, `${path}.podFailurePolicy`));
  errors.push(...validateReplacement(spec, `${path}.podReplacementPolicy`));
  return [...errors, ...validatePodTemplate(spec.template, `${path}.template`), ...validateRestarts(spec, path)];
}

function validateReplacement(
  { podReplacementPolicy: policy, podFailurePolicy }: Readonly<JobSpec>,
  path: string,
): FieldError[] {
  const allowed = podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  return policy === undefined || allowed.includes(policy) ? [] : [notSupported(path, policy, allowed)];
}

function validateRestarts({ template, podFailurePolicy }: Readonly<JobSpec>, path: string): FieldError[] {
  const { restartPolicy = '' } = template?.spec ?? {};
  const at = `${path}.template.spec.restartPolicy`;
  if (restartPolicy === '' || restartPolicy === 'Always') return [required(at, 'valid values: "OnFailure", "Never"')];
  if (restartPolicy !== 'OnFailure' && restartPolicy !== 'Never') {
    return [notSupported(at, restartPolicy, ['OnFailure', 'Never'])];
  }
  if (!podFailurePolicy || restartPolicy === 'Never') return [];
  return [invalid(at, restartPolicy, 'only "Never" is supported when podFailurePolicy is specified')];
}

const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];

function validateFailurePolicy(
  { podFailurePolicy, backoffLimitPerIndex }: Readonly<JobSpec>,
  path: string,
): FieldError[] {
  const rules = podFailurePolicy?.rules ?? [];
  const errors = rules.length > 20 ? [tooMany(`${path}.rules`, rules.length, 20)] : [];
  rules.forEach((rule, i) => {
    const at = `${path}.rules[${i}]`;
    const { action = '' } = rule;
    if (action === '') {
      errors.push(required(`${at}.action`, `valid values: [${actions.map((name) => JSON.stringify(name)).join(' ')}]`));
    } else if (action === 'FailIndex') {
      const detail = 'requires the backoffLimitPerIndex to be set';
      if (backoffLimitPerIndex === undefined) errors.push(invalid(`${at}.action`, action, detail));
    } else if (!actions.includes(action)) errors.push(notSupported(`${at}.action`, action, actions));
    errors.push(...validateExitCodes(rule, `${at}.onExitCodes`));
  });
  return errors;
}

function validateExitCodes({ onExitCodes }: PodFailurePolicyRule, path: string): FieldError[] {
  if (!onExitCodes) return [];
  const { operator = '', values = [] } = onExitCodes;
  const operators = ['In', 'NotIn'];
  const errors: FieldError[] = [];
  if (operator === '') errors.push(required(`${path}.operator`, 'valid values: ["In" "NotIn"]'));
  else if (!operators.includes(operator)) errors.push(notSupported(`${path}.operator`, operator, operators));
  if (values.length === 0) errors.push(invalid(`${path}.values`, values, 'at least one value is required'));
  else if (values.length > 255) errors.push(tooMany(`${path}.values`, values.length, 255));
  values.forEach((code, i) => {
    if (operator === 'In' && code === 0) {
      errors.push(invalid(`${path}.values[${i}]`, code, 'must not be 0 for the In operator'));
    }
    if (values.indexOf(code) < i) errors.push(duplicate(`${path}.values[${i}]`, code));
  });
  if (values.some((code, i) => i > 0 && (values[i - 1] ?? 0) > code)) {
    errors.push(invalid(`${path}.values`, values, 'must be ordered'));
  }
  return errors;
}

/** Go shows maps in the order of their keys. */
function sorted(labels: Readonly<Record<string, string>> | undefined): Record<string, string> | null {
  return labels ? Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))) : null;
}
