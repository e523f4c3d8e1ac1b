import { type FieldError, invalid } from '../field-error.ts';

const percent = /^[0-9]+%$/;

export function isPercent(value: number | string): value is string {
  return typeof value === 'string' && percent.test(value);
}

export function isZero(value: number | string): boolean {
  return isPercent(value) ? Number.parseInt(value, 10) === 0 : value === 0;
}

export function validateIntOrPercent(value: number | string, path: string): FieldError[] {
  if (typeof value === 'number') return value >= 0 ? [] : [invalid(path, value, 'must be greater than or equal to 0')];
  if (isPercent(value)) return [];
  const rule =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
  return [invalid(path, value, rule)];
}

export function validateNotMoreThanAll(value: number | string, path: string): FieldError[] {
  if (!isPercent(value) || Number.parseInt(value, 10) <= 100) return [];
  return [invalid(path, value, 'must not be greater than 100%')];
}
