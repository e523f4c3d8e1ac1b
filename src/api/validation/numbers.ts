import { type FieldError, invalid } from '../field-error.ts';

export function validateNonNegative(value: number | undefined, path: string): FieldError[] {
  if (value === undefined || value >= 0) return [];
  return [invalid(path, value, 'must be greater than or equal to 0')];
}

export function validatePositive(value: number | undefined, path: string): FieldError[] {
  if (value === undefined || value > 0) return [];
  return [invalid(path, value, 'must be greater than 0')];
}

/** User and group ids. */
export function validateId(value: number | undefined, path: string): FieldError[] {
  if (value === undefined || (value >= 0 && value <= 2_147_483_647)) return [];
  return [invalid(path, value, 'must be between 0 and 2147483647, inclusive')];
}
