import { isDeepStrictEqual } from 'node:util';
import { type FieldError, forbiddenField, invalid, notSupported, required } from '../field-error.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../kubernetes/core-v1.ts';
import { parseQuantity } from '../quantity.ts';
import { validateLabelSelector } from './labels.ts';

const accessModes = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const volumeModes = ['Block', 'Filesystem'];
const reclaimPolicies = ['Delete', 'Recycle', 'Retain'];

export function validateVolume({ spec = {} }: Readonly<PersistentVolume>): FieldError[] {
  const errors = validateAccess(spec.accessModes);
  if (Object.keys(spec.capacity ?? {}).length === 0) errors.push(required('spec.capacity'));
  else if (!spec.capacity?.['storage'])
    errors.push(notSupported('spec.capacity', Object.keys(spec.capacity ?? {})[0], ['storage']));
  else errors.push(...validateStorage(spec.capacity['storage'], 'spec.capacity[storage]'));
  const policy = spec.persistentVolumeReclaimPolicy;
  if (policy !== undefined && !reclaimPolicies.includes(policy)) {
    errors.push(notSupported('spec.persistentVolumeReclaimPolicy', policy, reclaimPolicies));
  }
  return errors;
}

export function validateClaim({ spec = {} }: Readonly<PersistentVolumeClaim>): FieldError[] {
  const errors = [...validateLabelSelector(spec.selector, 'spec.selector'), ...validateAccess(spec.accessModes)];
  const storage = spec.resources?.requests?.['storage'];
  if (storage === undefined) errors.push(required('spec.resources[storage]'));
  else errors.push(...validateStorage(storage, 'spec.resources[storage]'));
  if (spec.volumeMode !== undefined && !volumeModes.includes(spec.volumeMode)) {
    errors.push(notSupported('spec.volumeMode', spec.volumeMode, volumeModes));
  }
  return errors;
}

/** Once bound it may grow, and nothing else. */
export function validateClaimUpdate(
  now: Readonly<PersistentVolumeClaim>,
  old: Readonly<PersistentVolumeClaim>,
): FieldError[] {
  const errors = validateClaim(now);
  const [spec, before] = [now.spec ?? {}, old.spec ?? {}];
  const { resources: _now, volumeName, volumeAttributesClassName: _nowClass, ...rest } = spec;
  const { resources: _old, volumeName: oldName, volumeAttributesClassName: _oldClass, ...oldRest } = before;
  const rebinds = oldName !== undefined && volumeName !== oldName;
  if (rebinds || !isDeepStrictEqual(rest, oldRest)) {
    const detail =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
    errors.push(forbiddenField('spec', detail));
  }
  const [size, oldSize] = [spec.resources?.requests?.['storage'], before.resources?.requests?.['storage']];
  if (size !== undefined && oldSize !== undefined) {
    if (parseQuantity(String(size)).nano < parseQuantity(String(oldSize)).nano) {
      errors.push(forbiddenField('spec.resources.requests.storage', 'field can not be less than status.capacity'));
    }
  }
  return errors;
}

function validateAccess(modes: readonly string[] = []): FieldError[] {
  const path = 'spec.accessModes';
  const errors = modes.length > 0 ? [] : [required(path, 'at least 1 access mode is required')];
  for (const mode of modes) if (!accessModes.includes(mode)) errors.push(notSupported(path, mode, accessModes));
  if (modes.includes('ReadWriteOncePod') && modes.length > 1) {
    errors.push(forbiddenField(path, 'may not use ReadWriteOncePod with other access modes'));
  }
  return errors;
}

function validateStorage(quantity: unknown, path: string): FieldError[] {
  const text = String(quantity);
  return parseQuantity(text).nano > 0n ? [] : [invalid(path, text, 'must be greater than zero')];
}
