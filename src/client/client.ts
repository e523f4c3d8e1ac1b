import type { KubeList, KubeObject } from '../api/object.ts';

/** A resource in one served version, as the client addresses it. */
export interface ResourceRef {
  /** `''` is the core group. */
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Filled into objects that are sent without their type, as items of a list may be. */
  readonly kind?: string;
}

/** One object, or with `subresource` a part of it. */
export interface ObjectRef {
  /** Absent for what is cluster-scoped. */
  readonly namespace?: string;
  readonly name: string;
  readonly subresource?: string;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly limit?: number;
  readonly continue?: string;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly object: KubeObject };

export type PatchType =
  | 'application/json-patch+json'
  | 'application/merge-patch+json'
  | 'application/strategic-merge-patch+json';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Of the call with its retries; of a watch, until its headers. @default the client's */
  readonly timeoutMs?: number;
}

export interface ReadOptions extends CallOptions {
  /** Asks for `PartialObjectMetadata`: objects without spec and status. */
  readonly metadataOnly?: boolean;
}

export interface WatchOptions extends ListOptions, ReadOptions {
  /** Asks for the present objects first and a bookmark after them (WatchList). */
  readonly sendInitialEvents?: boolean;
  /** After which the server is asked to end the watch. */
  readonly timeoutSeconds?: number;
}

export interface RawRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/**
 * A client of one API server over verified TLS and HTTP/2, as every component except the API server uses it.
 * Answers that are no success throw the `ApiError` that the server sent; a failed connection throws an error naming the address.
 * Reconnects by itself; disposal ends all streams.
 */
export interface ApiClient extends AsyncDisposable {
  readonly server: string;
  get<T extends KubeObject>(resource: ResourceRef, ref: ObjectRef, options?: ReadOptions): Promise<T>;
  list<T extends KubeObject>(resource: ResourceRef, options?: ListOptions & ReadOptions): Promise<KubeList<T>>;
  create<T extends KubeObject>(
    resource: ResourceRef,
    object: T,
    options?: CallOptions & { readonly namespace?: string; readonly name?: string; readonly subresource?: string },
  ): Promise<T>;
  /** PUT. `metadata.resourceVersion`, where given, must be current. */
  update<T extends KubeObject>(
    resource: ResourceRef,
    object: T,
    options?: CallOptions & { readonly subresource?: string },
  ): Promise<T>;
  patch<T extends KubeObject>(
    resource: ResourceRef,
    ref: ObjectRef,
    patch: unknown,
    options: CallOptions & { readonly type: PatchType },
  ): Promise<T>;
  delete(
    resource: ResourceRef,
    ref: ObjectRef,
    options?: CallOptions & {
      readonly gracePeriodSeconds?: number;
      readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
      readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
    },
  ): Promise<void>;
  /** Deletes all that the list selects, in one namespace. */
  deleteCollection(
    resource: ResourceRef,
    options?: ListOptions & CallOptions & { readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' },
  ): Promise<void>;
  /** One watch, until the server ends it or the connection is to drain. `Informer` keeps one going. */
  watch<T extends KubeObject>(resource: ResourceRef, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** Any request, any answer: nothing is thrown for a status. */
  request(request: RawRequest, options?: CallOptions): Promise<RawResponse>;
  /** Opens a new connection for the next call: calls in flight finish on the old one, watches on it end as if the server had ended them. */
  rotate(): void;
}
