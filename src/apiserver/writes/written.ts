import type { JsonKubeObject } from '../../api/object.ts';
import { type CachedObject, encodeStored, spliceRevision } from '../cached-object.ts';
import type { ServedResource } from '../served-resource.ts';

/** The outcome of a write: bytes in the storage version where it is stored, an object where it was a dry run. */
export type Written =
  | { readonly stored: true; readonly object: CachedObject }
  | { readonly stored: false; readonly object: JsonKubeObject };

/** The result in the served version. Not to be changed. */
export function writtenObject(resource: ServedResource, written: Written): Readonly<JsonKubeObject> {
  return written.stored ? resource.object(written.object) : resource.fromStorage(written.object);
}

export function writtenJson(resource: ServedResource, written: Written): Uint8Array {
  if (written.stored) return resource.json(written.object);
  const { resourceVersion } = written.object.metadata;
  const value = encodeStored(resource.fromStorage(written.object));
  return resourceVersion === undefined ? value : spliceRevision(value, Number(resourceVersion));
}
