import { createHash } from 'node:crypto';
import { isJsonObject, objectAt, textAt } from '../../api/json-object.ts';
import type { JsonObject } from '../../api/object.ts';
import type { Backend } from '../backends/backend.ts';
import type { BackendPool } from '../backends/backend-pool.ts';
import { fetchDocument } from './api-document.ts';
import type { RemoteApi } from './remote-api.ts';

/** What an extension API server last said about one group-version. */
export interface RemoteDocuments {
  /** As an `APIResourceList` has them. */
  readonly resources: readonly JsonObject[];
  /** The entry of its OpenAPI 3 index, which carries a hash; absent where it has none. */
  readonly openApiV3Url: string | undefined;
  /** The whole OpenAPI 2 document, for what concerns this group-version. */
  readonly openApiV2: JsonObject | undefined;
  readonly openApiV2Etag: string | undefined;
  /** Of all of this: changes when anything does. */
  readonly hash: string;
}

/** Fetches the descriptions of a group-version that is available. One that cannot be had is left out: it is no reason to be unavailable. */
export async function fetchDescriptions(
  api: RemoteApi,
  resources: readonly JsonObject[],
  {
    pool,
    backend,
    before,
    signal,
  }: { pool: BackendPool; backend: Backend; before: RemoteDocuments | undefined; signal: AbortSignal },
): Promise<RemoteDocuments> {
  const key = `apis/${api.group}/${api.version}`;
  const [index, v2] = await Promise.all([
    fetchJson(pool, backend, { path: '/openapi/v3', signal }),
    fetchJson(pool, backend, { path: '/openapi/v2', etag: before?.openApiV2Etag, signal }),
  ]);
  const openApiV3Url = textAt(objectAt(objectAt(index.value, 'paths'), key), 'serverRelativeURL') || undefined;
  const openApiV2 = v2.unchanged ? before?.openApiV2 : v2.value;
  const openApiV2Etag = v2.unchanged ? before?.openApiV2Etag : v2.etag;
  const hash = createHash('sha256')
    .update(JSON.stringify([resources, openApiV3Url, openApiV2]))
    .digest('hex');
  return { resources, openApiV3Url, openApiV2, openApiV2Etag, hash };
}

interface FetchedJson {
  readonly value: JsonObject | undefined;
  readonly etag?: string | undefined;
  readonly unchanged?: boolean;
}

async function fetchJson(
  pool: BackendPool,
  backend: Backend,
  options: { path: string; etag?: string | undefined; signal: AbortSignal },
): Promise<FetchedJson> {
  try {
    const { status, body, etag } = await fetchDocument(pool, backend, options);
    if (status === 304) return { value: undefined, unchanged: true };
    if (status !== 200) return { value: undefined };
    const value: unknown = JSON.parse(body.toString('utf8'));
    return { value: isJsonObject(value) ? value : undefined, etag };
  } catch {
    options.signal.throwIfAborted();
    return { value: undefined }; // described by nothing, as upstream leaves out what it cannot fetch
  }
}
