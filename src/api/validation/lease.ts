import { type FieldError, forbiddenField } from '../field-error.ts';
import type { Lease } from '../kubernetes/coordination-v1.ts';
import { validateNonNegative, validatePositive } from './numbers.ts';

export function validateLease({ spec = {} }: Readonly<Lease>): FieldError[] {
  const errors = [
    ...validatePositive(spec.leaseDurationSeconds, 'spec.leaseDurationSeconds'),
    ...validateNonNegative(spec.leaseTransitions, 'spec.leaseTransitions'),
  ];
  if (spec.preferredHolder && !spec.strategy) {
    errors.push(forbiddenField('spec.preferredHolder', 'may only be specified if `strategy` is defined'));
  }
  return errors;
}
