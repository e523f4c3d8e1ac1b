import { type FieldError, invalid, required } from '../../field-error.ts';
import type { DownwardAPIVolumeFile, KeyToPath } from '../../kubernetes/core-v1.ts';
import { fileFieldPaths, validateFieldRef, validateResourceRef } from './field-refs.ts';
import { validateFileMode, validateFilePath } from './paths.ts';

export function validateKeyToPath({ key = '', path: target = '', mode }: KeyToPath, path: string): FieldError[] {
  const errors = key === '' ? [required(`${path}.key`)] : [];
  if (target === '') errors.push(required(`${path}.path`));
  return [...errors, ...validateFilePath(target, `${path}.path`), ...validateFileMode(mode, `${path}.mode`)];
}

export function validateDownwardFile(file: DownwardAPIVolumeFile, path: string): FieldError[] {
  const { path: target = '', fieldRef, resourceFieldRef, mode } = file;
  const errors = target === '' ? [required(`${path}.path`)] : [];
  errors.push(...validateFilePath(target, `${path}.path`));
  if (fieldRef) {
    errors.push(...validateFieldRef(fieldRef, `${path}.fieldRef`, fileFieldPaths));
    const both = 'fieldRef and resourceFieldRef can not be specified simultaneously';
    if (resourceFieldRef) errors.push(invalid(path, 'resource', both));
  } else if (resourceFieldRef) {
    errors.push(...validateResourceRef(resourceFieldRef, `${path}.resourceFieldRef`, { inFile: true }));
  } else errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'));
  return [...errors, ...validateFileMode(mode, `${path}.mode`)];
}
