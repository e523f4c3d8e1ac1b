import type { KubeList, KubeObject } from '../api/object.ts';

/** A resource in one served version, as the client addresses it. */
export interface ResourceRef {
  /** `''` is the core group. */
  readonly group: string;
  readonly version: string;
  readonly resource: string;
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
  get<T extends KubeObject>(resource: ResourceRef, ref: ObjectRef, options?: CallOptions): Promise<T>;
  list<T extends KubeObject>(resource: ResourceRef, options?: ListOptions & CallOptions): Promise<KubeList<T>>;
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
  /** One watch, until the server ends it. `Informer` keeps one going. */
  watch<T extends KubeObject>(
    resource: ResourceRef,
    options: ListOptions & CallOptions & { readonly sendInitialEvents?: boolean },
  ): AsyncIterable<WatchEvent<T>>;
  /** Any request, any answer: nothing is thrown for a status. */
  request(request: RawRequest, options?: CallOptions): Promise<RawResponse>;
}
