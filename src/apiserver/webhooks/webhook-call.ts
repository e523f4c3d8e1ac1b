import type { ResourceInfo } from '../../api/resource-info.ts';
import { messageOf } from '../../lib/error-message.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import type { Backend } from '../backends/backend.ts';
import type { BackendPool } from '../backends/backend-pool.ts';
import { readAnswer } from '../backends/read-answer.ts';
import { decodeCaBundle, serviceBackend } from '../backends/service-backend.ts';
import type { DestinationOptions } from '../destinations/destination.ts';
import { chooseReviewVersion, encodeReview, parseReview, type ReviewResponse } from './admission-review.ts';
import type { Webhook } from './webhook.ts';

/** The call itself failed, or its answer could not be understood: what `failurePolicy` is about. */
export class CallingError extends Error {
  override readonly name = 'CallingError';
  /** The HTTP status that the webhook answered, 0 where it gave none. */
  readonly code: number;

  constructor(webhook: string, why: string, { code = 0, ...options }: ErrorOptions & { code?: number } = {}) {
    super(`failed calling webhook ${JSON.stringify(webhook)}: ${why}`, options);
    this.code = code;
  }
}

export interface CallOptions {
  readonly pool: BackendPool;
  readonly destinations: DestinationOptions;
  readonly mutating: boolean;
}

const maxAnswerBytes = 8 * 1024 * 1024;

/** Asks one webhook about a request as it looks in `version`. @throws {CallingError} */
export async function callWebhook(
  webhook: Webhook,
  attributes: AdmissionAttributes,
  { version, pool, destinations, mutating }: CallOptions & { readonly version: ResourceInfo },
): Promise<ReviewResponse> {
  const { name, timeoutMs } = webhook;
  const url = urlOf(webhook);
  const failed = (cause: unknown, code?: number) => {
    const why = `failed to call webhook: Post ${JSON.stringify(url.href)}: ${messageOf(cause)}`;
    return new CallingError(name, why, { cause, ...(code !== undefined && { code }) });
  };
  using deadline = startDeadline(timeoutMs, attributes.signal?.());
  let review: ReturnType<typeof chooseReviewVersion>;
  let uid: string;
  let bytes: Buffer;
  try {
    review = chooseReviewVersion(webhook.reviewVersions);
  } catch (cause) {
    throw new CallingError(name, `could not get REST client: ${messageOf(cause)}`, { cause });
  }
  try {
    const encoded = encodeReview(attributes, { review, version, mutating });
    uid = encoded.uid;
    const response = await pool.request(backendOf(webhook, url, destinations), {
      method: 'POST',
      path: `${url.pathname}${url.search}`,
      headers: {
        'content-type': 'application/json',
        'content-length': encoded.body.length,
        accept: 'application/json, */*',
        'user-agent': 'kube-apiserver-admission',
      },
      body: encoded.body,
      signal: deadline.signal,
    });
    bytes = await readAnswer(response, { maxBytes: maxAnswerBytes });
    const { statusCode = 0 } = response;
    if (statusCode < 200 || statusCode > 299) {
      throw new CallingError(name, `failed to call webhook: ${explainStatus(statusCode)}`, { code: statusCode });
    }
  } catch (cause) {
    throw cause instanceof CallingError ? cause : failed(cause);
  }
  try {
    return parseReview(bytes, { uid, review, mutating });
  } catch (cause) {
    const prefix =
      cause instanceof SyntaxError ? 'could not read the answer as JSON: ' : 'received invalid webhook response: ';
    throw new CallingError(name, `${prefix}${messageOf(cause)}`, { cause });
  }
}

/** As upstream writes it, timeout included; what is dialled for a Service is one of its endpoints. */
function urlOf({ clientConfig: { service, url }, timeoutMs }: Webhook): URL {
  const { name = '', namespace = '', port = 443, path = '/' } = service ?? {};
  const target = new URL(url ?? `https://${name}.${namespace}.svc${path.startsWith('/') ? path : `/${path}`}`);
  target.searchParams.set('timeout', `${timeoutMs / 1000}s`);
  if (service && port !== 443) target.port = String(port);
  return target;
}

function backendOf({ clientConfig }: Webhook, url: URL, destinations: DestinationOptions): Backend {
  const { service, caBundle } = clientConfig;
  const caPem = decodeCaBundle(caBundle);
  if (service) {
    const { name = '', namespace = '', port = 443 } = service;
    return serviceBackend({ name, namespace, port }, { destinations, caPem });
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host,
    port: Number(url.port || 443),
    network: 'controlplane',
    title: `server ${url.host}`,
    serverName: host,
    authority: url.host,
    verify: true,
    ...(caPem !== undefined && { caPem }),
  };
}

function explainStatus(status: number): string {
  if (status >= 300 && status < 400) return `the webhook answered with a redirect (${status}), which is not followed`;
  if (status === 404) return 'the server could not find the requested resource';
  return `an error on the server (status ${status}) has prevented the request from succeeding`;
}

/** Aborts when the time is over or the client has gone. */
function startDeadline(ms: number, outer: AbortSignal | undefined): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error('context deadline exceeded')), ms);
  const abandon = () => controller.abort(outer?.reason);
  outer?.addEventListener('abort', abandon, { once: true });
  if (outer?.aborted) abandon();
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', abandon);
    },
  };
}
