import { isJsonObject, objectsAt } from '../../api/json-object.ts';
import type { JsonObject } from '../../api/object.ts';
import type { Backend } from '../backends/backend.ts';
import type { BackendPool } from '../backends/backend-pool.ts';
import { readAnswer } from '../backends/read-answer.ts';
import { userHeaders } from './user-headers.ts';

const maxDocumentBytes = 32 * 1024 * 1024;
const timeoutMs = 5000;

/** As whom the aggregator asks for itself. */
const aggregator = { username: 'system:kube-aggregator', uid: '', groups: ['system:masters'], extra: {} };

export interface FetchedDocument {
  readonly status: number;
  readonly etag: string | undefined;
  readonly body: Buffer;
}

/** Asks an extension API server on the aggregator's own account, for at most 5 s. @throws {BackendError} */
export async function fetchDocument(
  pool: BackendPool,
  backend: Backend,
  {
    path,
    accept = 'application/json',
    etag,
    signal,
  }: { path: string; accept?: string; etag?: string | undefined; signal: AbortSignal },
): Promise<FetchedDocument> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const abandon = () => deadline.abort(signal.reason);
  signal.addEventListener('abort', abandon, { once: true });
  if (signal.aborted) abandon();
  try {
    const response = await pool.request(backend, {
      method: 'GET',
      path,
      headers: { accept, ...(etag !== undefined && { 'if-none-match': etag }), ...userHeaders(aggregator) },
      signal: deadline.signal,
    });
    const body = await readAnswer(response, { maxBytes: maxDocumentBytes });
    return { status: response.statusCode ?? 0, etag: response.headers.etag, body };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abandon);
  }
}

/** The `resources` of an `APIResourceList`. @throws {Error} for anything else */
export function parseResourceList(body: Buffer): JsonObject[] {
  const value: unknown = JSON.parse(body.toString('utf8'));
  if (!isJsonObject(value) || value['kind'] !== 'APIResourceList') throw new Error('the answer is no APIResourceList');
  return objectsAt(value, 'resources');
}
