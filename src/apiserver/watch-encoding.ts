import type { CachedObject } from './cached-object.ts';

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** How the events of a watch are written: media type, served version and transformation. */
export interface WatchEncoding {
  /** Equal for equal encodings: watchers share the bytes by it. */
  readonly key: string;
  readonly contentType: string;
  /** The first event of a stream differs from the others, as in a Table, which names its columns once. */
  readonly headed: boolean;
  event(type: WatchEventType, object: CachedObject, first: boolean): Uint8Array;
  /** An ADDED event in parts around the object's own bytes, where that saves a copy: for the many initial events of a watch. */
  addedParts?(object: CachedObject): readonly Uint8Array[];
  /** `initialEnd` marks the end of a WatchList's initial events. */
  bookmark(revision: number, initialEnd: boolean): Uint8Array;
  /** A `Status` as an `ERROR` event. */
  error(status: object): Uint8Array;
}

/** Which objects a watch or list shows. */
export interface ObjectFilter {
  /** Equal for equal filters. */
  readonly key: string;
  /** `undefined`: all namespaces. */
  readonly namespace: string | undefined;
  /** `undefined`: all names. */
  readonly name: string | undefined;
  /** Absent when there is no selector. Namespace and name are judged apart. */
  readonly selects?: (object: CachedObject) => boolean;
}

export function matches(filter: ObjectFilter, object: CachedObject): boolean {
  if (filter.namespace !== undefined && filter.namespace !== object.namespace) return false;
  if (filter.name !== undefined && filter.name !== object.name) return false;
  return filter.selects === undefined || filter.selects(object);
}
