import type { JsonKubeObject } from '../../api/object.ts';
import type { AdmissionAttributes } from './admission.ts';

/** The new object with its model's type: the schema was checked when it was decoded. Changes go into the object itself. */
export function newObject<T>({ object }: AdmissionAttributes): T {
  if (object === undefined) throw new Error('Admission of a create or update has no object');
  return object as JsonKubeObject as T;
}

/** The stored object with its model's type. Never changed. */
export function storedObject<T>({ oldObject }: AdmissionAttributes): Readonly<T> {
  if (oldObject === undefined) throw new Error('Admission of an update or delete has no stored object');
  return oldObject as T;
}

/** `pods`, or `leases.coordination.k8s.io`: what a plugin asks first. */
export function resourceKey({ resource: { group, resource } }: AdmissionAttributes): string {
  return group === '' ? resource : `${resource}.${group}`;
}
