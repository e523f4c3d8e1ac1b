import type { GroupVersionKind } from './object.ts';

export type Verb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'deletecollection'
  | 'proxy'
  | (string & {});

/** One subresource as discovery lists it, for example `status`, `scale` or `exec`. */
export interface SubresourceInfo {
  /** Without the parent: `status`. */
  readonly name: string;
  /** What it takes and answers; `autoscaling/v1 Scale` for `scale`. */
  readonly kind: GroupVersionKind;
  readonly verbs: readonly string[];
}

/** One resource in one served version. `src/api/scheme.ts` has all of them. */
export interface ResourceInfo extends GroupVersionKind {
  /** Plural, lower case: `pods`. */
  readonly resource: string;
  readonly singular: string;
  /** `PodList`. */
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly storageVersionHash: string | undefined;
  /** The model's key in `types.json`: `io.k8s.api.core.v1.Pod`. */
  readonly model: string;
  readonly subresources: ReadonlyMap<string, SubresourceInfo>;
  /** The version this resource is stored in; another served version is converted from and to it. */
  readonly storageVersion: string;
  /** Where its objects lie in the store, with both slashes: `/registry/pods/`, `/registry/services/specs/`. */
  readonly storagePrefix: string;
}
