import type { KubeObject } from '../api/object.ts';

/**
 * Objects at hand, without I/O: the API server's watch caches, seen by authenticators, authorizers and admission.
 * Objects are shared and frozen by convention: nobody changes them.
 */
export interface ObjectSource {
  /** `resource` is plural with its group: `pods`, `clusterroles.rbac.authorization.k8s.io`. Objects come in their storage version. */
  get<T extends KubeObject>(resource: string, key: ObjectKey): T | undefined;
  /** All objects of `resource`, or those of one namespace. */
  list<T extends KubeObject>(resource: string, namespace?: string): readonly T[];
  /** Calls back after each change, in order, with the object before and after. The caller disposes. */
  subscribe<T extends KubeObject>(resource: string, listener: (change: ObjectChange<T>) => void): Disposable;
}

export interface ObjectKey {
  /** `''` for what has none. */
  readonly namespace: string;
  readonly name: string;
}

export interface ObjectChange<T extends KubeObject> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}
