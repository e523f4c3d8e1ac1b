import { type FieldError, forbiddenField, invalid, required } from '../../field-error.ts';
import type {
  ClusterTrustBundleProjection,
  KeyToPath,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
} from '../../kubernetes/core-v1.ts';
import { validateFileMode, validateFilePath } from './paths.ts';
import { validateDownwardFile, validateKeyToPath } from './volume-files.ts';

/** Files of several sources in one directory, so that no two may have one path. */
export function validateProjected({ defaultMode, sources = [] }: ProjectedVolumeSource, path: string): FieldError[] {
  const errors = validateFileMode(defaultMode, `${path}.defaultMode`);
  const paths = new Set<string>();
  const claim = (target: string, shown: string) => {
    if (target === '') return;
    if (paths.has(target)) errors.push(invalid(path, shown, 'conflicting duplicate paths'));
    paths.add(target);
  };
  sources.forEach((source, i) => {
    const at = `${path}.sources[${i}]`;
    for (const kind of ['secret', 'configMap'] as const) {
      const projection = source[kind];
      if (!projection) continue;
      const { name = '', items = [] } = projection;
      if (name === '') errors.push(required(`${at}.${kind}.name`));
      items.forEach((item: KeyToPath, j: number) => {
        errors.push(...validateKeyToPath(item, `${at}.${kind}.items[${j}]`));
        claim(item.path ?? '', name);
      });
    }
    for (const file of source.downwardAPI?.items ?? []) {
      errors.push(...validateDownwardFile(file, `${at}.downwardAPI`));
      claim(file.path ?? '', file.path ?? '');
    }
    if (source.serviceAccountToken) errors.push(...validateToken(source.serviceAccountToken, { path, at }));
    if (source.clusterTrustBundle) {
      errors.push(...validateBundle(source.clusterTrustBundle, `${at}.clusterTrustBundle`));
      claim(source.clusterTrustBundle.path ?? '', source.clusterTrustBundle.path ?? '');
    }
    if (Object.values(source).filter((value) => value !== undefined).length > 1) {
      errors.push(forbiddenField(at, 'may not specify more than 1 volume type per source'));
    }
  });
  return errors;
}

/** The path is reported on the volume, not on the source: upstream's way. */
function validateToken(token: ServiceAccountTokenProjection, { path, at }: { path: string; at: string }): FieldError[] {
  const { expirationSeconds = 0, path: target = '' } = token;
  const field = `${at}.serviceAccountToken.expirationSeconds`;
  const errors: FieldError[] = [];
  if (expirationSeconds < 600) {
    errors.push(invalid(field, expirationSeconds, 'may not specify a duration less than 10 minutes'));
  }
  if (expirationSeconds > 2 ** 32) {
    errors.push(invalid(field, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'));
  }
  if (target === '') errors.push(required(`${path}.path`));
  else errors.push(...validateFilePath(target, `${path}.path`));
  return errors;
}

function validateBundle(bundle: ClusterTrustBundleProjection, path: string): FieldError[] {
  const { name, signerName, labelSelector, path: target = '' } = bundle;
  const errors: FieldError[] = [];
  if (name !== undefined && signerName !== undefined) {
    errors.push(invalid(path, bundle, 'only one of name and signerName may be used'));
  } else if (name !== undefined) {
    if (name === '') errors.push(required(`${path}.name`, 'must be a valid object name'));
    if (labelSelector) {
      errors.push(invalid(`${path}.labelSelector`, labelSelector, 'labelSelector must be unset if name is specified'));
    }
  } else if (signerName === undefined) errors.push(required(path, 'either name or signerName must be specified'));
  else if (signerName === '') errors.push(required(`${path}.signerName`, 'must be a valid signer name'));
  if (target === '') errors.push(required(`${path}.path`));
  return [...errors, ...validateFilePath(target, `${path}.path`)];
}
