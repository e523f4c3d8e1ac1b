import { type FieldError, invalid } from '../../field-error.ts';

export function validateNoBacksteps(text: string, path: string): FieldError[] {
  return text.split('/').includes('..') ? [invalid(path, text, "must not contain '..'")] : [];
}

/** A relative path that stays below where it starts. */
export function validateDescendingPath(text: string, path: string): FieldError[] {
  const absolute = text.startsWith('/') ? [invalid(path, text, 'must be a relative path')] : [];
  return [...absolute, ...validateNoBacksteps(text, path)];
}

/** The same for files in a volume that the kubelet writes: names that begin with two dots are its own. */
export function validateFilePath(text: string, path: string): FieldError[] {
  const errors = validateDescendingPath(text, path);
  if (text.startsWith('..') && !text.startsWith('../')) errors.push(invalid(path, text, "must not start with '..'"));
  return errors;
}

export function validateFileMode(mode: number | undefined, path: string): FieldError[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}
