import { type FieldError, forbiddenField, notSupported } from '../../field-error.ts';
import type { PodTemplateSpec } from '../../kubernetes/core-v1.ts';
import { validateLabels } from '../labels.ts';
import { validateAnnotations } from '../object-meta.ts';
import { validatePodSpec } from './pod-spec.ts';

export function validatePodTemplate(template: PodTemplateSpec | undefined, path: string): FieldError[] {
  const { metadata = {}, spec = { containers: [] } } = template ?? {};
  const errors = [
    ...validateLabels(metadata.labels, `${path}.labels`),
    ...validateAnnotations(metadata.annotations, `${path}.annotations`),
    ...validatePodSpec(spec, `${path}.spec`, { isPod: false }),
  ];
  if ((spec.ephemeralContainers ?? []).length > 0) {
    errors.push(forbiddenField(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'));
  }
  return errors;
}

/** Controllers that keep their pods running let them restart without end. */
export function validateKeepsRunning(template: PodTemplateSpec | undefined, path: string, kind: string): FieldError[] {
  const { restartPolicy = '', activeDeadlineSeconds } = template?.spec ?? {};
  const errors: FieldError[] = [];
  if (restartPolicy !== 'Always') errors.push(notSupported(`${path}.spec.restartPolicy`, restartPolicy, ['Always']));
  if (activeDeadlineSeconds !== undefined) {
    const detail = `activeDeadlineSeconds in ${kind} is not Supported`;
    errors.push(forbiddenField(`${path}.spec.activeDeadlineSeconds`, detail));
  }
  return errors;
}
