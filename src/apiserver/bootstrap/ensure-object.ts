import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../api/object.ts';
import type { InternalObjects } from '../internal-objects.ts';

/**
 * Creates the object, or changes what is there where `merge` gives something else than it was given. Writes nothing when all is as it should be.
 */
export async function ensureObject<T extends KubeObject>(
  objects: InternalObjects,
  resource: string,
  { object, merge }: { object: T; merge: (found: T) => T },
): Promise<void> {
  const { namespace = '', name = '' } = object.metadata ?? {};
  const found = await objects.get<T>(resource, { namespace, name });
  if (!found) return objects.ensureCreated(resource, object);
  const wanted = merge(found);
  if (!isDeepStrictEqual(wanted, found)) await objects.update(resource, wanted);
}
