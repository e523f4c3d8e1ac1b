import type { FieldSelectorAttributes, LabelSelectorAttributes } from '../../api/kubernetes/authorization-v1.ts';

/**
 * A review's field selector as a query would have it. Requirements that a query cannot express are left out, which only makes
 * the request look wider, and the decision stricter.
 */
export function formatFieldSelector({ rawSelector, requirements = [] }: FieldSelectorAttributes): string {
  if (rawSelector) return rawSelector;
  const terms = requirements.flatMap(({ key, operator, values = [] }) => {
    const [value] = values;
    if (value === undefined || values.length > 1) return [];
    if (operator === 'In') return [`${key}=${escapeValue(value)}`];
    return operator === 'NotIn' ? [`${key}!=${escapeValue(value)}`] : [];
  });
  return terms.join(',');
}

/** The same for labels, where every operator has a text. */
export function formatLabelSelector({ rawSelector, requirements = [] }: LabelSelectorAttributes): string {
  if (rawSelector) return rawSelector;
  const terms = requirements.flatMap(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return [key];
    if (operator === 'DoesNotExist') return [`!${key}`];
    if (values.length === 0) return [];
    return [`${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`];
  });
  return terms.join(',');
}

function escapeValue(value: string): string {
  return value.replaceAll(/[\\,=]/g, '\\$&');
}
