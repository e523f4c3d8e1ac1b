import { duplicate, type FieldError, forbiddenField, invalid, notSupported, required } from '../../field-error.ts';
import type { HostPathVolumeSource, KeyToPath, Volume } from '../../kubernetes/core-v1.ts';
import { parseQuantity } from '../../quantity.ts';
import { dns1123LabelErrors } from '../names.ts';
import { validateFileMode, validateNoBacksteps } from './paths.ts';
import { validateProjected } from './projected-volume.ts';
import { validateDownwardFile, validateKeyToPath } from './volume-files.ts';

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

/** Also gives the volumes that mounts may name. */
export function validateVolumes(
  volumes: readonly Volume[] = [],
  path: string,
  podName = '',
): { errors: FieldError[]; byName: ReadonlyMap<string, Volume> } {
  const byName = new Map<string, Volume>();
  const created = new Set(volumes.filter(({ ephemeral }) => ephemeral).map(({ name }) => `${podName}-${name}`));
  const errors: FieldError[] = [];
  volumes.forEach((volume, i) => {
    const at = `${path}[${i}]`;
    const { name = '' } = volume;
    const own = validateSource(volume, at);
    if (name === '') own.push(required(`${at}.name`));
    else for (const text of dns1123LabelErrors(name)) own.push(invalid(`${at}.name`, name, text));
    if (byName.has(name)) own.push(duplicate(`${at}.name`, name));
    if (own.length === 0) byName.set(name, volume);
    errors.push(...own);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (podName !== '' && claim !== undefined && created.has(claim)) {
      const detail = 'must not reference a PVC that gets created for an ephemeral volume';
      errors.push(invalid(`${at}.persistentVolumeClaim.claimName`, claim, detail));
    }
  });
  return { errors, byName };
}

/** In upstream's order: the first is the one that the volume is of. */
const sourceKinds = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'flocker',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
] as const;

function validateSource(volume: Volume, path: string): FieldError[] {
  const kinds = sourceKinds.filter((kind) => volume[kind] !== undefined);
  if (kinds.length === 0) return [required(path, 'must specify a volume type')];
  return kinds.flatMap((kind, i) => {
    const at = `${path}.${kind}`;
    return i === 0 ? validateKind(volume, kind, at) : [forbiddenField(at, 'may not specify more than 1 volume type')];
  });
}

function validateKind(volume: Volume, kind: (typeof sourceKinds)[number], path: string): FieldError[] {
  switch (kind) {
    case 'emptyDir': {
      const limit = volume.emptyDir?.sizeLimit;
      const negative = limit !== undefined && parseQuantity(String(limit)).nano < 0n;
      return negative ? [forbiddenField(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')] : [];
    }
    case 'hostPath':
      return validateHostPath(volume.hostPath, path);
    case 'secret': {
      const { secretName = '', defaultMode, items } = volume.secret ?? {};
      return validateFiles(path, { nameField: 'secretName', name: secretName, defaultMode, items });
    }
    case 'configMap': {
      const { name = '', defaultMode, items } = volume.configMap ?? {};
      return validateFiles(path, { nameField: 'name', name, defaultMode, items });
    }
    case 'persistentVolumeClaim':
      return volume.persistentVolumeClaim?.claimName ? [] : [required(`${path}.claimName`)];
    case 'downwardAPI': {
      const { defaultMode, items = [] } = volume.downwardAPI ?? {};
      const mode = validateFileMode(defaultMode, `${path}.defaultMode`);
      return [...mode, ...items.flatMap((file) => validateDownwardFile(file, path))];
    }
    case 'projected':
      return volume.projected ? validateProjected(volume.projected, path) : [];
    case 'nfs': {
      const { server = '', path: target = '' } = volume.nfs ?? {};
      const errors = server === '' ? [required(`${path}.server`)] : [];
      if (target === '') errors.push(required(`${path}.path`));
      else if (!target.startsWith('/')) errors.push(invalid(`${path}.path`, target, 'must be an absolute path'));
      return errors;
    }
    case 'csi':
      return volume.csi?.driver ? [] : [required(`${path}.driver`)];
    case 'ephemeral':
      return volume.ephemeral?.volumeClaimTemplate ? [] : [required(`${path}.volumeClaimTemplate`)];
    case 'image': {
      const { reference = '', pullPolicy = '' } = volume.image ?? {};
      const errors = reference === '' ? [required(`${path}.reference`)] : [];
      const policies = ['Always', 'IfNotPresent', 'Never'];
      if (pullPolicy !== '' && !policies.includes(pullPolicy)) {
        errors.push(notSupported(`${path}.pullPolicy`, pullPolicy, policies));
      }
      return errors;
    }
    default:
      return [];
  }
}

function validateHostPath({ path: target = '', type }: Partial<HostPathVolumeSource> = {}, path: string): FieldError[] {
  if (target === '') return [required(`${path}.path`)];
  const errors = validateNoBacksteps(target, `${path}.path`);
  if (type !== undefined && !hostPathTypes.includes(type))
    errors.push(notSupported(`${path}.type`, type, hostPathTypes));
  return errors;
}

function validateFiles(
  path: string,
  files: { nameField: string; name: string; defaultMode: number | undefined; items: KeyToPath[] | undefined },
): FieldError[] {
  return [
    ...(files.name === '' ? [required(`${path}.${files.nameField}`)] : []),
    ...validateFileMode(files.defaultMode, `${path}.defaultMode`),
    ...(files.items ?? []).flatMap((item, i) => validateKeyToPath(item, `${path}.items[${i}]`)),
  ];
}
