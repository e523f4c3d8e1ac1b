import { type FieldError, required } from '../../api/field-error.ts';
import type { JsonKubeObject } from '../../api/object.ts';
import type { ServedResource } from '../served-resource.ts';

/** Complaints about an object's metadata that hold for every resource. */
export function validateMetadata({ metadata }: Readonly<JsonKubeObject>, _resource: ServedResource): FieldError[] {
  if (typeof metadata['name'] !== 'string' || metadata['name'] === '') {
    return [required('metadata.name', 'name or generateName is required')];
  }
  return [];
}
