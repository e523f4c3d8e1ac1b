import { type FieldError, invalid } from '../field-error.ts';
import type { Namespace } from '../kubernetes/core-v1.ts';
import { labelKeyErrors } from '../label-name.ts';

const standard = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

export function validateNamespace({ spec }: Readonly<Namespace>): FieldError[] {
  return (spec?.finalizers ?? []).flatMap((name) => validateFinalizer(name, 'spec.finalizers'));
}

export function validateNamespaceFinalize({ spec }: Readonly<Namespace>): FieldError[] {
  return (spec?.finalizers ?? []).flatMap((name, i) => validateFinalizer(name, `spec.finalizers[${i}]`));
}

export function validateNamespaceStatus({ metadata = {}, status }: Readonly<Namespace>): FieldError[] {
  const phase = status?.phase ?? '';
  const deleting = metadata.deletionTimestamp !== undefined;
  const expected = deleting ? 'Terminating' : 'Active';
  if (phase === expected) return [];
  const when = deleting ? 'is not empty' : 'is empty';
  return [invalid('status.Phase', phase, `may only be '${expected}' if \`deletionTimestamp\` ${when}`)];
}

function validateFinalizer(name: string, path: string): FieldError[] {
  const errors = labelKeyErrors(name).map((text) => invalid(path, name, text));
  if (!name.includes('/') && !standard.has(name)) {
    errors.push(invalid(path, name, 'name is neither a standard finalizer name nor is it fully qualified'));
  }
  return errors;
}
