import type { KubeObject } from '../../api/object.ts';
import type { ObjectKey } from '../../auth/object-source.ts';

/** The store itself, for what must not depend on a cache being up to date. */
export interface LiveObjects {
  /** `resource` as an `ObjectSource` names it. */
  get<T extends KubeObject>(resource: string, key: ObjectKey): Promise<T | undefined>;
  /** Writes where the stored resourceVersion still is the object's. @throws {ApiError} `Conflict`, `NotFound` */
  update<T extends KubeObject>(resource: string, object: T): Promise<T>;
}
