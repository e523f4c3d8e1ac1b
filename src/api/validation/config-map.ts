import { isDeepStrictEqual } from 'node:util';
import { type FieldError, forbiddenField, invalid, tooLong } from '../field-error.ts';
import type { ConfigMap } from '../kubernetes/core-v1.ts';
import { configKeyErrors } from './names.ts';

/** Of ConfigMaps and Secrets, together. */
export const maxDataBytes = 1024 * 1024;

export function validateConfigMap({ data = {}, binaryData = {} }: Readonly<ConfigMap>): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    for (const text of configKeyErrors(key)) errors.push(invalid(`data[${key}]`, key, text));
    if (key in binaryData) errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
    bytes += Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(binaryData)) {
    for (const text of configKeyErrors(key)) errors.push(invalid(`binaryData[${key}]`, key, text));
    bytes += decodedBytes(String(value));
  }
  if (bytes > maxDataBytes) errors.push(tooLong('[]', maxDataBytes));
  return errors;
}

export function validateConfigMapUpdate(now: Readonly<ConfigMap>, old: Readonly<ConfigMap>): FieldError[] {
  return [...validateImmutableData(now, old, ['data', 'binaryData']), ...validateConfigMap(now)];
}

/** `immutable` cannot be taken back, and keeps what it covers. */
export function validateImmutableData<K extends string>(
  now: { immutable?: boolean } & { [F in K]?: unknown },
  old: { immutable?: boolean } & { [F in K]?: unknown },
  fields: readonly K[],
): FieldError[] {
  if (old.immutable !== true) return [];
  const detail = 'field is immutable when `immutable` is set';
  const errors = now.immutable === true ? [] : [forbiddenField('immutable', detail)];
  for (const field of fields) {
    if (!isDeepStrictEqual(now[field] ?? {}, old[field] ?? {})) errors.push(forbiddenField(field, detail));
  }
  return errors;
}

/** Bytes that base64 text stands for. */
export function decodedBytes(base64: string): number {
  return Buffer.byteLength(base64, 'base64');
}
