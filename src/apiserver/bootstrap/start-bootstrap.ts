import { ensureBootstrapPolicy, type RbacObject } from '../../auth/authorization/bootstrap-policy.ts';
import type { InternalObjects } from '../internal-objects.ts';
import { ensureSystemNamespaces } from './system-namespaces.ts';

/** Makes what every cluster has. Writes nothing where it is all there. */
export async function ensureClusterObjects(objects: InternalObjects): Promise<void> {
  await ensureSystemNamespaces(objects);
  await ensureBootstrapPolicy({
    get: (resource, key) => objects.get<RbacObject>(resource, key),
    create: (resource, object) => objects.ensureCreated(resource, object),
    update: async (resource, object) => {
      await objects.update(resource, object);
    },
    delete: (resource, key) => objects.delete(resource, key),
  });
}
