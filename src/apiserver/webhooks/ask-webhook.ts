import { badRequest, internalError } from '../../api/errors.ts';
import type { ResourceInfo } from '../../api/resource-info.ts';
import type { ObjectSource } from '../../auth/object-source.ts';
import type { Logger } from '../../lib/log.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import type { ReviewResponse } from './admission-review.ts';
import type { Webhook } from './webhook.ts';
import { CallingError, type CallOptions, callWebhook } from './webhook-call.ts';
import type { Observation, WebhookMetrics } from './webhook-metrics.ts';
import { webhookRejection } from './webhook-rejection.ts';

export interface WebhookDependencies extends Omit<CallOptions, 'mutating'> {
  readonly objects: ObjectSource;
  readonly metrics: WebhookMetrics;
  readonly log: Logger;
}

/**
 * Asks one webhook and judges its answer: warnings and audit annotations are passed on, failures treated as the failure policy says.
 * `undefined` where the call failed and is ignored.
 * @throws {ApiError} a refusal of the webhook, or a failure that is not ignored
 */
export async function askWebhook(
  webhook: Webhook,
  attributes: AdmissionAttributes,
  options: WebhookDependencies & { version: ResourceInfo; mutating: boolean },
): Promise<ReviewResponse | undefined> {
  const { metrics, log, mutating } = options;
  const { name, ignoreFailure, drySafe } = webhook;
  const startedMs = performance.now();
  const observe = (outcome: Pick<Observation, 'code' | 'rejection' | 'failedOpen'>) =>
    metrics.observe({
      name,
      type: mutating ? 'admit' : 'validating',
      operation: attributes.operation,
      seconds: (performance.now() - startedMs) / 1000,
      ...outcome,
    });
  if (attributes.dryRun && !drySafe) {
    observe({ code: 400, rejection: 'apiserver_internal_error' });
    throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
  }
  let response: ReviewResponse;
  try {
    response = await callWebhook(webhook, attributes, options);
  } catch (error) {
    if (!(error instanceof CallingError)) throw error;
    if (!ignoreFailure) {
      log.warn('Failed calling webhook, failing closed', { webhook: name, error });
      observe({ code: error.code, rejection: 'calling_webhook_error' });
      throw internalError(error.message, { cause: error });
    }
    log.warn('Failed calling webhook, failing open', { webhook: name, error });
    observe({ code: error.code, failedOpen: true });
    attributes.signal?.().throwIfAborted();
    return undefined;
  }
  for (const warning of response.warnings) attributes.warn(warning);
  for (const [key, value] of Object.entries(response.auditAnnotations)) attributes.annotate?.(`${name}/${key}`, value);
  if (!response.allowed) {
    const rejection = webhookRejection(name, response.status);
    observe({ code: rejection.code, rejection: 'no_error' });
    throw rejection;
  }
  observe({ code: 200 });
  return response;
}
