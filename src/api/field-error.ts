import { ApiError, type StatusCause } from './errors.ts';
import type { GroupVersionKind } from './object.ts';

export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueNotFound'
  | 'FieldValueNotSupported'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

/** One complaint of validation: `field` is a path such as `spec.containers[0].image`, `body` what upstream prints after it. */
export interface FieldError {
  type: FieldErrorType;
  field: string;
  body: string;
}

export const required = (field: string, detail = ''): FieldError => ({
  type: 'FieldValueRequired',
  field,
  body: `Required value${suffix(detail)}`,
});

export const invalid = (field: string, value: unknown, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  body: `Invalid value: ${formatValue(value)}${suffix(detail)}`,
});

export const typeInvalid = (field: string, value: unknown, detail: string): FieldError => ({
  type: 'FieldValueTypeInvalid',
  field,
  body: `Invalid value: ${formatValue(value)}${suffix(detail)}`,
});

export const duplicate = (field: string, value: unknown): FieldError => ({
  type: 'FieldValueDuplicate',
  field,
  body: `Duplicate value: ${formatValue(value)}`,
});

export const forbiddenField = (field: string, detail: string): FieldError => ({
  type: 'FieldValueForbidden',
  field,
  body: `Forbidden${suffix(detail)}`,
});

export const notFoundField = (field: string, value: unknown): FieldError => ({
  type: 'FieldValueNotFound',
  field,
  body: `Not found: ${formatValue(value)}`,
});

export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
  type: 'FieldValueNotSupported',
  field,
  body: `Unsupported value: ${formatValue(value)}: supported values: ${supported.map((s) => JSON.stringify(s)).join(', ')}`,
});

export const tooLong = (field: string, maxBytes: number): FieldError => ({
  type: 'FieldValueTooLong',
  field,
  body: `Too long: may not be more than ${maxBytes} bytes`,
});

export const tooMany = (field: string, actual: number, max: number): FieldError => ({
  type: 'FieldValueTooMany',
  field,
  body: `Too many: ${actual}: must have at most ${max} items`,
});

/** The 422 that upstream builds from a non-empty list. */
export function invalidObject(
  { group, kind }: GroupVersionKind,
  name: string,
  errors: readonly FieldError[],
): ApiError {
  const texts = [...new Set(errors.map(({ field, body }) => `${field}: ${body}`))];
  const joined = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const subject = group === '' ? kind : `${kind}.${group}`;
  const causes = errors.map(({ type, field, body }): StatusCause => ({ reason: type, message: body, field }));
  return new ApiError('Invalid', `${subject} "${name}" is invalid: ${joined}`, {
    details: { name, ...(group !== '' && { group }), kind, causes },
  });
}

function suffix(detail: string): string {
  return detail === '' ? '' : `: ${detail}`;
}

/** Strings quoted, numbers and booleans bare, anything else as compact JSON. */
function formatValue(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}
