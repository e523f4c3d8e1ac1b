import type { ObjectMeta } from './kubernetes/meta-v1.ts';

/** What every API object has. The typed models in `kubernetes/` are assignable to it. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

/** A list as the API answers it. */
export interface KubeList<T extends KubeObject = KubeObject> {
  apiVersion?: string;
  kind?: string;
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

/** Any JSON value; what generic code (patches, defaults, validation by schema) works on. */
export type JsonValue = string | number | boolean | null | JsonValue[] | JsonObject;
export type JsonObject = { [key: string]: JsonValue };

/** An API object as generic code sees it: JSON with metadata. */
export type JsonKubeObject = JsonObject & { metadata: JsonObject };

export interface GroupVersionKind {
  /** `''` is the core group. */
  group: string;
  version: string;
  kind: string;
}

/** `v1` for the core group, `apps/v1` otherwise. */
export function formatApiVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** The reverse of {@link formatApiVersion}; `undefined` when there is more than one slash. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } | undefined {
  const [first = '', second, ...rest] = apiVersion.split('/');
  if (rest.length > 0) return undefined;
  return second === undefined ? { group: '', version: first } : { group: first, version: second };
}
