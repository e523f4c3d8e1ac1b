import type { JsonKubeObject } from '../api/object.ts';
import type { RequestContext } from './exchange.ts';

/**
 * A resource or subresource that stores nothing: a POST is answered (201) with the object completed,
 * for example `tokenreviews`, `subjectaccessreviews` and `serviceaccounts/token`. The object is decoded and defaulted; its type and
 * required fields are checked. @throws {ApiError}
 */
export type ReviewHandler = (object: JsonKubeObject, context: RequestContext) => Promise<JsonKubeObject>;

/** A subresource that takes over the connection or streams bytes: `pods/log`, `exec`, `attach`, `portforward`, `proxy`. */
export type ConnectHandler = (context: RequestContext) => Promise<void>;
