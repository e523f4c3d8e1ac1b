import { type FieldError, forbiddenField, invalid } from '../field-error.ts';
import type { PriorityClass } from '../kubernetes/scheduling-v1.ts';
import { oneOf } from './pod/containers.ts';

const highestOfUsers = 1_000_000_000;
/** Made by the server itself. */
const systemClasses: ReadonlyMap<string, number> = new Map([
  ['system-node-critical', 2_000_001_000],
  ['system-cluster-critical', 2_000_000_000],
]);

export function validatePriorityClass({
  metadata = {},
  value = 0,
  preemptionPolicy,
}: Readonly<PriorityClass>): FieldError[] {
  const { name = '' } = metadata;
  const errors: FieldError[] = [];
  if (name.startsWith('system-')) {
    const known = systemClasses.get(name);
    const reserved = "priority class names with 'system-' prefix are reserved for system use only. error:";
    if (known === undefined) {
      errors.push(forbiddenField('metadata.name', `${reserved} ${name} is not a known system priority class`));
    } else if (known !== value) {
      errors.push(forbiddenField('metadata.name', `${reserved} value of ${name} PriorityClass must be ${known}`));
    }
  } else if (value > highestOfUsers) {
    errors.push(forbiddenField('value', `maximum allowed value of a user defined priority is ${highestOfUsers}`));
  }
  if (preemptionPolicy !== undefined) {
    errors.push(...oneOf(preemptionPolicy, 'preemptionPolicy', ['PreemptLowerPriority', 'Never']));
  }
  return errors;
}

export function validatePriorityClassUpdate(now: Readonly<PriorityClass>, old: Readonly<PriorityClass>): FieldError[] {
  const errors: FieldError[] = [];
  if (now.value !== old.value) errors.push(forbiddenField('value', 'may not be changed in an update.'));
  if (now.preemptionPolicy !== old.preemptionPolicy) {
    errors.push(invalid('preemptionPolicy', now.preemptionPolicy ?? null, 'field is immutable'));
  }
  return errors;
}
