import { badRequest } from './errors.ts';
import type { LabelSelector } from './kubernetes/meta-v1.ts';
import { labelKeyErrors, labelValueErrors } from './label-name.ts';
import { parseRequirements } from './selector-parser.ts';

export type Labels = Readonly<Record<string, string>>;

export type RequirementOperator = 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt';

/** One condition; `values` of `exists` and `absent` are empty. */
export interface Requirement {
  readonly key: string;
  readonly operator: RequirementOperator;
  readonly values: readonly string[];
}

/** A set of labels: all of the requirements hold. */
export interface Selector {
  /** Canonical: what a `labelSelector` parameter would say. */
  readonly text: string;
  readonly requirements: readonly Requirement[];
  matches(labels: Labels | undefined): boolean;
}

/** Matches everything. */
export const everything: Selector = { text: '', requirements: [], matches: () => true };

/** Matches nothing: what an absent `LabelSelector` means. */
export const nothing: Selector = { text: '', requirements: [], matches: () => false };

/** Reads the `labelSelector` parameter. @throws {ApiError} BadRequest */
export function parseLabelSelector(text: string): Selector {
  if (text.trim() === '') return everything;
  const requirements = parseRequirements(text);
  for (const requirement of requirements) checkRequirement(requirement);
  return selectorOf(requirements);
}

/**
 * The selector that a `metav1.LabelSelector` stands for: absent selects nothing, empty selects everything.
 * @throws {ApiError} BadRequest for an unknown operator
 */
export function selectorFromObject(selector: LabelSelector | null | undefined): Selector {
  if (selector === undefined || selector === null) return nothing;
  const requirements: Requirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'in',
    values: [value],
  }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const name = objectOperators[operator];
    if (name === undefined) throw badRequest(`"${operator}" is not a valid label selector operator`);
    requirements.push({ key, operator: name, values });
  }
  return requirements.length === 0 ? everything : selectorOf(requirements);
}

const objectOperators: Readonly<Record<string, RequirementOperator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: 'absent',
};

function selectorOf(requirements: readonly Requirement[]): Selector {
  const sorted = requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return {
    text: sorted.map(format).join(','),
    requirements: sorted,
    matches: (labels = {}) => requirements.every((requirement) => holds(requirement, labels)),
  };
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'gt':
      return isInteger(value) && BigInt(value) > BigInt(values[0] ?? 0);
    case 'lt':
      return isInteger(value) && BigInt(value) < BigInt(values[0] ?? 0);
  }
}

function format({ key, operator, values }: Requirement): string {
  const list = values.toSorted().join(',');
  switch (operator) {
    case 'in':
      return values.length === 1 ? `${key}=${list}` : `${key} in (${list})`;
    case 'notin':
      return values.length === 1 ? `${key}!=${list}` : `${key} notin (${list})`;
    case 'exists':
      return key;
    case 'absent':
      return `!${key}`;
    case 'gt':
      return `${key}>${list}`;
    case 'lt':
      return `${key}<${list}`;
  }
}

function checkRequirement({ key, operator, values }: Requirement): void {
  const [keyError] = labelKeyErrors(key);
  if (keyError !== undefined) {
    throw badRequest(`unable to parse requirement: <nil>: Invalid value: ${JSON.stringify(key)}: ${keyError}`);
  }
  for (const [index, value] of values.entries()) {
    const [valueError] = labelValueErrors(value);
    if (valueError !== undefined) {
      throw badRequest(
        `unable to parse requirement: values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${valueError}`,
      );
    }
    if ((operator === 'gt' || operator === 'lt') && !isInteger(value)) {
      throw badRequest(
        `unable to parse requirement: values[${index}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    }
  }
}

function isInteger(value: string | undefined): value is string {
  return value !== undefined && /^[+-]?[0-9]{1,19}$/.test(value) && !value.startsWith('+');
}
