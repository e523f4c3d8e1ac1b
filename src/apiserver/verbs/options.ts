import type { FieldValidation } from '../../api/decode.ts';
import { ApiError, badRequest } from '../../api/errors.ts';
import { type FieldError, invalid, invalidObject, notSupported, tooLong } from '../../api/field-error.ts';
import type { JsonObject } from '../../api/object.ts';

/** What the query of a write says. */
export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
  readonly fieldManager: string;
  /** CreateOptions, UpdateOptions or PatchOptions, as admission sees them. */
  readonly object: JsonObject;
}

type OptionsKind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions';

/** @throws {ApiError} `Invalid` */
export function parseWriteOptions(query: URLSearchParams, kind: OptionsKind): WriteOptions {
  const dryRuns = query.getAll('dryRun').filter((value) => value !== '');
  const fieldManager = query.get('fieldManager') ?? '';
  const validation = query.get('fieldValidation') ?? '';
  const errors: FieldError[] = [...dryRunErrors(dryRuns)];
  if (fieldManager.length > 128) errors.push(tooLong('fieldManager', 128));
  else if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u.test(fieldManager)) {
    errors.push(invalid('fieldManager', fieldManager, 'should only contain printable characters'));
  }
  if (!isFieldValidation(validation) && validation !== '') {
    errors.push(notSupported('fieldValidation', validation, ['', 'Ignore', 'Strict', 'Warn']));
  }
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', version: 'v1', kind }, '', errors);
  return {
    dryRun: dryRuns.length > 0,
    fieldValidation: isFieldValidation(validation) ? validation : 'Warn',
    fieldManager,
    object: {
      kind,
      apiVersion: 'meta.k8s.io/v1',
      ...(dryRuns.length > 0 && { dryRun: dryRuns }),
      ...(fieldManager !== '' && { fieldManager }),
      ...(validation !== '' && { fieldValidation: validation }),
    },
  };
}

export function dryRunErrors(values: readonly unknown[]): FieldError[] {
  return values.every((value) => value === 'All') ? [] : [notSupported('dryRun', values, ['All'])];
}

/** A whole number in the query. @throws {ApiError} `BadRequest` */
export function parseInteger(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

export function methodNotAllowed(): ApiError {
  return new ApiError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
}

function isFieldValidation(value: string): value is FieldValidation {
  return value === 'Strict' || value === 'Warn' || value === 'Ignore';
}
