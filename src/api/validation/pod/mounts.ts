import { type FieldError, forbiddenField, invalid, notFoundField, notSupported, required } from '../../field-error.ts';
import type { VolumeDevice, VolumeMount } from '../../kubernetes/core-v1.ts';
import type { PodContext } from './context.ts';
import { validateDescendingPath } from './paths.ts';

interface Mounting {
  readonly volumeMounts?: VolumeMount[];
  readonly volumeDevices?: VolumeDevice[];
  readonly securityContext?: { privileged?: boolean };
}

export function validateMounts(container: Mounting, path: string, { volumes }: PodContext): FieldError[] {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const seen = new Set<string>();
  return mounts.flatMap((mount, i) => {
    const at = `${path}[${i}]`;
    const { name = '', mountPath = '', subPath = '', subPathExpr = '' } = mount;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    if (!volumes.has(name)) errors.push(notFoundField(`${at}.name`, name));
    if (mountPath === '') errors.push(required(`${at}.mountPath`));
    if (seen.has(mountPath)) errors.push(invalid(`${at}.mountPath`, mountPath, 'must be unique'));
    seen.add(mountPath);
    if (devices.some((device) => device.name === name)) {
      errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeDevices'));
    }
    if (devices.some(({ devicePath }) => devicePath === mountPath)) {
      errors.push(invalid(`${at}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices'));
    }
    // Without an index, as upstream has it.
    if (subPath !== '') errors.push(...validateDescendingPath(subPath, `${path}.subPath`));
    if (subPathExpr !== '') {
      if (subPath !== '') {
        errors.push(invalid(`${at}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
      }
      errors.push(...validateDescendingPath(subPathExpr, `${path}.subPathExpr`));
    }
    errors.push(...validatePropagation(mount, path, container), ...validateRecursiveReadOnly(mount, path));
    return errors;
  });
}

const propagations = ['Bidirectional', 'HostToContainer', 'None'];

function validatePropagation({ mountPropagation: mode }: VolumeMount, path: string, container: Mounting): FieldError[] {
  if (mode === undefined) return [];
  const at = `${path}.mountPropagation`;
  if (!propagations.includes(mode)) return [notSupported(at, mode, propagations)];
  if (mode === 'Bidirectional' && container.securityContext?.privileged !== true) {
    return [forbiddenField(at, 'Bidirectional mount propagation is available only to privileged containers')];
  }
  return [];
}

function validateRecursiveReadOnly(mount: VolumeMount, path: string): FieldError[] {
  const { recursiveReadOnly: mode, readOnly, mountPropagation = 'None' } = mount;
  const at = `${path}.recursiveReadOnly`;
  if (mode === undefined || mode === 'Disabled') return [];
  if (mode !== 'Enabled' && mode !== 'IfPossible') {
    return [notSupported(at, mode, ['Disabled', 'IfPossible', 'Enabled'])];
  }
  const errors: FieldError[] = [];
  if (!readOnly) errors.push(forbiddenField(at, 'may only be specified when readOnly is true'));
  if (mountPropagation !== 'None') {
    errors.push(forbiddenField(at, 'may only be specified when mountPropagation is None or not specified'));
  }
  return errors;
}

export function validateDevices(container: Mounting, path: string, { volumes }: PodContext): FieldError[] {
  const { volumeMounts: mounts = [], volumeDevices: devices = [] } = container;
  const names = new Set<string>();
  const paths = new Set<string>();
  return devices.flatMap(({ name = '', devicePath = '' }, i) => {
    const at = `${path}[${i}]`;
    const errors: FieldError[] = [];
    const volume = volumes.get(name);
    if (name === '') errors.push(required(`${at}.name`));
    if (names.has(name)) errors.push(invalid(`${at}.name`, name, 'must be unique'));
    if (!volume) errors.push(notFoundField(`${at}.name`, name));
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      const detail = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
      errors.push(invalid(`${at}.name`, name, detail));
    }
    if (devicePath === '') errors.push(required(`${at}.devicePath`));
    if (paths.has(devicePath)) errors.push(invalid(`${at}.devicePath`, devicePath, 'must be unique'));
    if (devicePath.split('/').includes('..')) {
      errors.push(invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')"));
    } else paths.add(devicePath);
    if (mounts.some((mount) => mount.name === name)) {
      errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeMounts'));
    }
    if (mounts.some(({ mountPath }) => mountPath === devicePath)) {
      errors.push(invalid(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'));
    }
    if (name !== '') names.add(name);
    return errors;
  });
}
