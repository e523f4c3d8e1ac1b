import { type FieldError, forbiddenField, invalid, required } from '../field-error.ts';
import type { LabelSelector, LabelSelectorRequirement } from '../kubernetes/meta-v1.ts';
import { labelKeyErrors, labelValueErrors } from '../label-name.ts';

export function validateLabels(labels: Readonly<Record<string, string>> = {}, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of Object.keys(labels).sort()) {
    const value = labels[key] ?? '';
    for (const text of labelKeyErrors(key)) errors.push(invalid(path, key, text));
    for (const text of labelValueErrors(value)) errors.push(invalid(path, value, text));
  }
  return errors;
}

export function validateLabelKey(key: string, path: string): FieldError[] {
  return labelKeyErrors(key).map((text) => invalid(path, key, text));
}

export function validateLabelSelector(selector: LabelSelector | undefined, path: string): FieldError[] {
  if (!selector) return [];
  return [
    ...validateLabels(selector.matchLabels, `${path}.matchLabels`),
    ...(selector.matchExpressions ?? []).flatMap((requirement, i) =>
      validateRequirement(requirement, `${path}.matchExpressions[${i}]`),
    ),
  ];
}

export function isEmptySelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length + matchExpressions.length === 0;
}

function validateRequirement(
  { key = '', operator, values = [] }: LabelSelectorRequirement,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (operator === 'In' || operator === 'NotIn') {
    if (values.length === 0) {
      errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    }
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length > 0) {
      errors.push(
        forbiddenField(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      );
    }
  } else errors.push(invalid(`${path}.operator`, operator ?? '', 'not a valid selector operator'));
  errors.push(...validateLabelKey(key, `${path}.key`));
  values.forEach((value, i) => {
    for (const text of labelValueErrors(value)) errors.push(invalid(`${path}.values[${i}]`, value, text));
  });
  return errors;
}
