import { type FieldError, forbiddenField, invalid, required, tooLong } from '../field-error.ts';
import type { ObjectMeta, OwnerReference } from '../kubernetes/meta-v1.ts';
import { labelKeyErrors } from '../label-name.ts';
import { validateLabels } from './labels.ts';
import {
  dns1035LabelErrors,
  dns1123LabelErrors,
  dns1123SubdomainErrors,
  type NameCheck,
  pathSegmentErrors,
} from './names.ts';

/** Which names an object may have. */
export type NameRule = 'dns1123Subdomain' | 'dns1123Label' | 'dns1035Label' | 'pathSegment';

const nameChecks: Readonly<Record<NameRule, NameCheck>> = {
  dns1123Subdomain: dns1123SubdomainErrors,
  dns1123Label: dns1123LabelErrors,
  dns1035Label: dns1035LabelErrors,
  pathSegment: pathSegmentErrors,
};

const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);
const maxAnnotationBytes = 256 * 1024;

export interface ObjectMetaRules {
  readonly namespaced: boolean;
  readonly nameRule: NameRule | NameCheck;
}

/** Complaints about an object's metadata, its name made already. Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`. */
export function validateObjectMeta(meta: ObjectMeta, { namespaced, nameRule }: ObjectMetaRules): FieldError[] {
  const check = typeof nameRule === 'function' ? nameRule : nameChecks[nameRule];
  const { name = '', generateName = '', namespace = '' } = meta;
  const errors: FieldError[] = [];
  if (generateName !== '') {
    for (const text of check(withoutDash(generateName)))
      errors.push(invalid('metadata.generateName', generateName, text));
  }
  if (name === '') errors.push(required('metadata.name', 'name or generateName is required'));
  else for (const text of check(name)) errors.push(invalid('metadata.name', name, text));
  if (!namespaced) {
    if (namespace !== '') errors.push(forbiddenField('metadata.namespace', 'not allowed on this type'));
  } else if (namespace === '') errors.push(required('metadata.namespace'));
  else for (const text of dns1123LabelErrors(namespace)) errors.push(invalid('metadata.namespace', namespace, text));
  errors.push(...validateSharedMeta(meta, 'metadata'));
  (meta.finalizers ?? []).forEach((finalizer, i) => {
    if (finalizer.includes('/') || standardFinalizers.has(finalizer)) return;
    const detail = 'name is neither a standard finalizer name nor is it fully qualified';
    errors.push(invalid(`metadata.finalizers[${i}]`, finalizer, detail));
  });
  return errors;
}

/** The parts that templates have as well: labels, annotations, owners, finalizers. */
export function validateSharedMeta(meta: ObjectMeta, path: string): FieldError[] {
  return [
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwners(meta.ownerReferences ?? [], `${path}.ownerReferences`),
    ...validateFinalizers(meta.finalizers ?? [], `${path}.finalizers`),
  ];
}

export function validateAnnotations(annotations: Readonly<Record<string, string>> = {}, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key of Object.keys(annotations).sort()) {
    for (const text of labelKeyErrors(key.toLowerCase())) errors.push(invalid(path, key, text));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key] ?? '');
  }
  if (bytes > maxAnnotationBytes) errors.push(tooLong(path, maxAnnotationBytes));
  return errors;
}

function validateOwners(owners: readonly OwnerReference[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  let controller = '';
  for (const owner of owners) {
    const { apiVersion = '', kind = '', name = '', uid = '' } = owner;
    const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
    if (version === '') errors.push(invalid(`${path}.apiVersion`, apiVersion, 'version must not be empty'));
    if (kind === '') errors.push(invalid(`${path}.kind`, kind, 'must not be empty'));
    if (name === '') errors.push(invalid(`${path}.name`, name, 'must not be empty'));
    if (uid === '') errors.push(invalid(`${path}.uid`, uid, 'must not be empty'));
    if (apiVersion === 'v1' && kind === 'Event') {
      errors.push(invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner'));
    }
    if (owner.controller !== true) continue;
    const current = `${kind}/${name}`;
    if (controller === '') controller = current;
    else {
      const found = `Found "true" in references for ${controller} and ${current}`;
      errors.push(invalid(path, owners, `Only one reference can have Controller set to true. ${found}`));
    }
  }
  return errors;
}

function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((name) => labelKeyErrors(name).map((text) => invalid(path, name, text)));
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    errors.push(invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return errors;
}

/** A base may end with the dash that the generated part follows. */
function withoutDash(base: string): string {
  return base.length > 1 && base.endsWith('-') ? `${base.slice(0, -2)}a` : base;
}
