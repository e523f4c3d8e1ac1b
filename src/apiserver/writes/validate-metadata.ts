import type { FieldError } from '../../api/field-error.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import { validateObjectMeta } from '../../api/validation/object-meta.ts';
import type { ServedResource } from '../served-resource.ts';

/** Complaints about an object's metadata that hold for every resource. */
export function validateMetadata({ metadata }: Readonly<JsonKubeObject>, resource: ServedResource): FieldError[] {
  const { namespaced } = resource.storage;
  return validateObjectMeta(metadata, { namespaced, nameRule: resource.strategy.nameRule ?? 'dns1123Subdomain' });
}
